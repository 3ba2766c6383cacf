# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The network, and servers that fail, lie, change their image or try to get at secrets.
flow_tests += tests/flow/net-breaks.sh
flow_tests += tests/flow/net-changes.sh
flow_tests += tests/flow/net-faults.sh
flow_tests += tests/flow/net-latency.sh
flow_tests += tests/flow/net-lies.sh
flow_tests += tests/flow/net-mirrors.sh
flow_tests += tests/flow/net-network.sh
flow_tests += tests/flow/net-names.sh
flow_tests += tests/flow/net-odd.sh
flow_tests += tests/flow/net-options.sh
flow_tests += tests/flow/net-origins.sh
flow_tests += tests/flow/net-random.sh
flow_tests += tests/flow/net-secrets.sh
flow_tests += tests/flow/net-stragglers.sh
flow_tests += tests/flow/net-tls.sh
flow_tests += tests/flow/net-twins.sh
EXTRA_DIST += tests/flow/net.sh tests/flow/net-faults.tsv tests/tools/delay-proxy.py tests/tools/proxy.py \
	tests/tools/h2-meddler.py
