# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for qimport(1); held against `qimport help COMMAND` by tests/check-manual.sh

# IDs with their targets, then targets with their IDs, of the journal of this command line; with
# the argument unfinished those that can be resumed.
function __qimport_imports
    set -l words (commandline -opc)
    set -l journal
    for i in (seq (count $words))
        switch $words[$i]
            case --journal
                test $i -lt (count $words); and set journal --journal=$words[(math $i + 1)]
            case '--journal=*'
                set journal $words[$i]
        end
    end
    set -l states '[a-z]*'
    test "$argv[1]" = unfinished; and set states '(probing|mapped|copying|interrupted|failed)'
    qimport -q status --json $journal 2>/dev/null |
        grep -oE '"id":"[^"]*","state":"'$states'","url":"([^"\]|\\\\.)*","target":"([^"\]|\\\\.)*"' |
        sed -E 's/^"id":"(.{8})[^"]*",.*","target":"(.*)"$/\1\t\2/; s/\\\\(["\])/\1/g' |
        while read -l -d \t id target
            printf '%s\t%s\n%s\t%s\n' $id $target $target $id
            string match -q -- "$PWD/*" $target
            and printf '%s\t%s\n' (string sub -s (math (string length $PWD) + 2) -- $target) $id
        end
end

complete -c qimport -f
complete -c qimport -n __fish_use_subcommand -a start -d 'begin an import; in the foreground'
complete -c qimport -n __fish_use_subcommand -a resume -d 'go on with interrupted imports'
complete -c qimport -n __fish_use_subcommand -a ensure -d 'start it, resume it, or do nothing if complete'
complete -c qimport -n __fish_use_subcommand -a status -d 'all imports, or these'
complete -c qimport -n __fish_use_subcommand -a audit -d 're-read the target and compare with the journal'
complete -c qimport -n __fish_use_subcommand -a receipt -d 'a JSON document of what was imported'
complete -c qimport -n __fish_use_subcommand -a report -d 'the same for people, with pictures'
complete -c qimport -n __fish_use_subcommand -a log -d 'the events of an import, oldest first'
complete -c qimport -n __fish_use_subcommand -a info -d 'what the image is, from its metadata alone'
complete -c qimport -n __fish_use_subcommand -a map -d 'guest extents, as qemu-img map shows them'
complete -c qimport -n __fish_use_subcommand -a forget -d 'remove an import from the journal (the target stays)'
complete -c qimport -n __fish_use_subcommand -a help -d 'this, or all about a command'

complete -c qimport -n '__fish_seen_subcommand_from start ensure info map' -F
complete -c qimport -n '__fish_seen_subcommand_from resume' -a '(__qimport_imports unfinished)'
complete -c qimport -n '__fish_seen_subcommand_from status audit receipt report log map forget' -a '(__qimport_imports)'
complete -c qimport -n '__fish_seen_subcommand_from help' -a 'start resume ensure status audit receipt report log info map forget'

complete -c qimport -l journal -r -F -d 'the journal'
complete -c qimport -s q -l quiet -d 'errors only'
complete -c qimport -s v -l verbose -d 'also what it waits for, and what took how long'
complete -c qimport -s h -l help -d 'help on the command'
complete -c qimport -s V -l version -d 'the version'

complete -c qimport -n '__fish_seen_subcommand_from start ensure' -s f -r -F -d 'a line URL TARGET for each import; - is standard input'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l jobs -x -d 'that many imports side by side'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit' -l progress -x -a 'auto bar plain json none' -d 'how it tells; auto: a bar on a terminal'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l connections -x -d 'ranges in flight'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit' -l workers -x -d 'decoding threads; 0: the processors there are'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit' -l memory -x -d 'ceiling for buffers; suffixes K M G T'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l limit-rate -x -d 'per second, for the whole import; 0: no limit'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l max-time -x -d 'stop after this long; the import stays resumable'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l retry-time -x -d 'give up after this long without a new byte; 0: at once'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l stall-time -x -d 'cut a connection slower than 1 KiB/s for this long'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l connect-timeout -x -d 'give up connecting after this long'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l commit-interval -x -d 'at most this much work is ever done twice'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l header-file -r -F -d 'headers for the requests, one a line'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l netrc -d 'take user and password from ~/.netrc'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l netrc-file -r -F -d 'take user and password from this file'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l user-file -r -F -d 'a file with user:password'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l bearer-file -r -F -d 'a file with a bearer token'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l digest-auth -d 'give the server its password by Digest only'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l cacert -r -F -d 'trust these certificate authorities'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l cert -r -F -d 'client certificate (PEM)'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l key -r -F -d 'its private key (PEM)'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l pinnedpubkey -x -d 'the server\'s public key must be this, as curl\'s'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l insecure -d 'do not check the server\'s certificate; never remembered'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -s 4 -l ipv4 -d 'ask names for IPv4 addresses only'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -s 6 -l ipv6 -d 'ask names for IPv6 addresses only'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l resolve -x -d 'there HOST has this address, as curl\'s'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l proxy -x -d 'go through this proxy'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l proxy-user-file -r -F -d 'a file with user:password for the proxy'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l proxy-digest -d 'give the proxy its password by Digest only'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure audit info map' -l aws-sigv4 -x -d 'sign requests, as curl\'s; needs --user-file'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l mirror -x -d 'another place that serves the same bytes'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l stream -d 'read forward from the start, without ranges'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure info map' -l length -x -d 'of a pipe or socket: so many bytes are the image\'s'
complete -c qimport -n '__fish_seen_subcommand_from start ensure' -l once -d 'nothing of an import that does not complete stays'
complete -c qimport -n '__fish_seen_subcommand_from info map' -l allow-partial -d 'a map without its backing file: what it has is not known'
complete -c qimport -n '__fish_seen_subcommand_from start ensure info map' -l max-size -x -d 'refuse larger virtual disks'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l checksum -x -d 'what the image file\'s checksum must be'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l sha256 -x -d 'the same, of SHA-256'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l checksums -r -F -d 'a file of checksums to take it from'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l signed-by -r -F -d 'it, or the image, must be signed by one of these keys'
complete -c qimport -n '__fish_seen_subcommand_from ensure' -l newer -d 'ask whether the image is another one now, and import it again'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l signature -r -F -d 'where the signature is'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l spool-dir -r -F -d 'where what has no place yet, or is kept for a resume, waits'
complete -c qimport -n '__fish_seen_subcommand_from start ensure' -l keep-format -d 'TARGET is the image itself, as it is, checked'
complete -c qimport -n '__fish_seen_subcommand_from start ensure' -l size -x -d 'make the target at least this large, the disk at its start'
complete -c qimport -n '__fish_seen_subcommand_from start ensure' -l fix-gpt -d 'move the backup of a GPT to the end of a larger target'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l no-keep -d 'keep nothing of a wrapped file for a resume'
complete -c qimport -n '__fish_seen_subcommand_from start ensure' -l digest -x -a 'on off' -d 'SHA-256 of every segment written, for audit'
complete -c qimport -n '__fish_seen_subcommand_from start ensure info map' -l format -x -a 'auto qcow2 raw' -d 'what the image is; auto: by its first bytes'
complete -c qimport -n '__fish_seen_subcommand_from start ensure info map' -l snapshot -x -d 'import that internal snapshot'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure info map' -l backing -r -F -d 'the backing file\'s image; repeated, top down'
complete -c qimport -n '__fish_seen_subcommand_from start ensure' -l unallocated -x -a 'zero keep' -d 'what the target reads as where the image has nothing'
complete -c qimport -n '__fish_seen_subcommand_from start ensure' -l target-is-zero -d 'you promise that the device reads as zeros'
complete -c qimport -n '__fish_seen_subcommand_from start ensure' -l preallocate -d 'reserve the space of a file target first'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l verify -d 'audit before the import is called complete'
complete -c qimport -n '__fish_seen_subcommand_from start resume ensure' -l force -d 'overwrite an existing file, or a device that holds data'
complete -c qimport -n '__fish_seen_subcommand_from resume' -l all -d 'every interrupted import'
complete -c qimport -n '__fish_seen_subcommand_from resume audit' -l url -x -d 'the image has moved, or its link was renewed'
complete -c qimport -n '__fish_seen_subcommand_from resume' -l accept-new-validator -d 'the ETag changed, the bytes did not: prove it, go on'
complete -c qimport -n '__fish_seen_subcommand_from resume' -l restart -d 'forget what is committed and begin again'
complete -c qimport -n '__fish_seen_subcommand_from status audit log info map' -l json -d 'as JSON'
complete -c qimport -n '__fish_seen_subcommand_from status' -l watch -d 'again every second, until no import is running'
complete -c qimport -n '__fish_seen_subcommand_from status' -l prometheus -d 'as metrics for Prometheus'
complete -c qimport -n '__fish_seen_subcommand_from audit' -l repair -d 'fetch again what differs'
complete -c qimport -n '__fish_seen_subcommand_from receipt' -l all -d 'every import, a line each'
complete -c qimport -n '__fish_seen_subcommand_from report' -s o -r -F -d 'where the page goes'
complete -c qimport -n '__fish_seen_subcommand_from forget' -l older-than -x -d 'every import that was complete that long ago'
