# SPDX-License-Identifier: LGPL-2.1-or-later

# Shell completions, where the shells of a distribution look for them.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = etc/completion/qimport.bash
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = etc/completion/_qimport
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_fishcompletion_DATA = etc/completion/qimport.fish

# Units of systemd; both have the same hardening.
systemd_units = etc/systemd/qimport-resume.service etc/systemd/qimport@.service
if SYSTEMD
systemdsystemunit_DATA = $(systemd_units)
tmpfilesdir = $(prefix)/lib/tmpfiles.d
dist_tmpfiles_DATA = etc/tmpfiles/qimport.conf
endif
$(systemd_units): %: %.in etc/systemd/hardening
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's|[@]bindir[@]|$(bindir)|' \
	  -e '/^[@]HARDENING[@]$$/{r $(srcdir)/etc/systemd/hardening' -e 'd;}' $(srcdir)/$@.in >$@.tmp && \
	  mv $@.tmp $@
CLEANFILES += $(systemd_units)
check_DATA = $(systemd_units)
EXTRA_DIST += etc/systemd/qimport-resume.service.in etc/systemd/qimport@.service.in \
	etc/systemd/hardening etc/tmpfiles/qimport.conf \
	etc/kubernetes etc/nginx etc/slurm packaging

# The Ansible collection, where Ansible looks for those of a distribution.
ansible_source = etc/ansible/ansible_collections/qimport/images
ansibledir = $(datadir)/ansible/collections/ansible_collections/qimport/images
dist_ansible_DATA = $(ansible_source)/README.md $(ansible_source)/galaxy.yml
ansiblemetadir = $(ansibledir)/meta
dist_ansiblemeta_DATA = $(ansible_source)/meta/runtime.yml
ansiblemodulesdir = $(ansibledir)/plugins/modules
dist_ansiblemodules_DATA = $(ansible_source)/plugins/modules/qimport.py
