#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# etc/slurm/import-image.sbatch under a Slurm of one node, which is this machine, with daemons,
# ports, keys and directories of its own.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
image deflate 4096
serve
cd "$scratch" || exit 99
PATH=$scratch/bin:$PATH:/usr/sbin
mkdir bin state spool
chmod 711 "$scratch"
ln -s "$(readlink -f "$QIMPORT")" bin/qimport

dd if=/dev/urandom of=key bs=128 count=1 2>/dev/null
chmod 600 key
munged --force --foreground --socket="$scratch/munge" --key-file="$scratch/key" --pid-file="$scratch/munge.pid" \
  --log-file="$scratch/munge.log" --seed-file="$scratch/munge.seed" 2>munged.err &
background
SLURM_CONF=$scratch/slurm.conf
export SLURM_CONF
node=$(hostname -s)
serve_free_port
controller=$serve_port
serve_free_port
cat >slurm.conf <<END
ClusterName=one
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$controller
SlurmdPort=$serve_port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$scratch/munge
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd.pid
ReturnToService=2
SchedulerParameters=sched_interval=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=$node NodeAddr=127.0.0.1 CPUs=1 RealMemory=512
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
until_true () {
  for _ in $(seq 300); do
    "$@" && return 0
    sleep 0.2
  done
  return 1
}
until_true [ -S munge ] || bail "munged does not start: $(cat munged.err)"
slurmctld -D >slurmctld.log 2>&1 &
background
slurmd -D >slurmd.log 2>&1 &
background
idle () { [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; }
until_true idle || bail "Slurm does not start: $(tail -n 5 slurmctld.log slurmd.log munge.log)"

submit () { job=$(sbatch --parsable -o "$scratch/%j.log" "$top_srcdir/etc/slurm/import-image.sbatch" "$@"); }
of_job () { scontrol show job "$job" | tr ' ' '\n' | sed -n "s/^$1=//p"; }
is_state () { [ "$(of_job JobState)" = "$1" ]; }
ends () {
  until_true is_state "$1"
  is "$(of_job JobState):$(of_job ExitCode)" "$1:$2" "$3"
}
working () { [ "$(import_of "$1" .state 2>/dev/null)" = copying ]; }
# A job in the queue runs now, not in two minutes.
hurried () {
  is_state PENDING && scontrol update JobId="$job" StartTime=now 2>/dev/null
  is_state COMPLETED
}

submit "$url" "$scratch/whole.img"
ends COMPLETED 0:0 "a job imports an image"
assert_identical whole.img "$expected" "and the disk is right"
submit "$url.not" "$scratch/not.img"
ends FAILED 4:0 "an image that is not there is the job's exit status, at once"

submit "$url" "$scratch/parts.img" --limit-rate 3M --max-time 2
until_true hurried
check "a job whose import is interrupted goes back into the queue" [ "$(of_job Restarts)" -ge 1 ]
ends COMPLETED 0:0 "and its runs, one after the other, import all of it"
assert_identical parts.img "$expected" "and the disk is right"

submit "$url" "$scratch/cancelled.img" --limit-rate 100K
until_true working "$scratch/cancelled.img"
scancel "$job"
ends CANCELLED 3:0 "a job that is cancelled stays so"
is "$(import_of "$scratch/cancelled.img" .state)" interrupted "and what it had is committed"
cd /
done_testing
