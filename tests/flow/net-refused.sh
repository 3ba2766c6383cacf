#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a store says in the body of its refusal is told, escaped and cut, and what to do about it:
# as S3 and its kin, Azure, Google, registries and gateways write it.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image 3
disk=$scratch/disk
liar

# refused WHAT HTTP-STATUS EXIT-STATUS BODY PATTERN...: all of the patterns are in the one line
refused () {
  what=$1 http=$2 want=$3
  lie "status,$http+body,$(printf %s "$4" | jq -sRr @uri)"
  shift 4
  run qimport start --retry-time 0 "$url" "$disk"
  exits "$want" "N17: $what: $want"
  for pattern in "$@"; do says "$pattern" "  it says: $pattern"; done
  is "$(wc -l <"$scratch/err")" 1 "  in one line"
}
xml () { printf '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message>%s<HostId>x</HostId></Error>' "$@"; }

refused "S3, a clock that is wrong" 403 4 \
  "$(xml RequestTimeTooSkewed 'The difference between the request time and the current time is too large.' '')" \
  "HTTP 403 (RequestTimeTooSkewed: The difference" "clock of this machine is wrong"
refused "S3, another region" 400 4 \
  "$(xml AuthorizationHeaderMalformed "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'" '<Region>eu-central-1</Region>')" \
  "expecting 'eu-central-1'" "another region.*--aws-sigv4"
refused "S3, a bucket that is elsewhere" 301 4 \
  "$(xml PermanentRedirect 'The bucket must be addressed using the specified endpoint.' '<Endpoint>b.s3.eu-west-3.amazonaws.com</Endpoint>')" \
  "b.s3.eu-west-3" "another region"
refused "S3, a signed link that is over" 403 4 "$(xml AccessDenied 'Request has expired' '')" \
  "AccessDenied: Request has expired" "get a new one (resume: --url NEW)"
refused "S3, a token that is over, as a bad request" 400 4 "$(xml ExpiredToken 'The provided token has expired.' '')" \
  "ExpiredToken" "get a new one"
refused "S3, an object in the archive" 403 4 \
  "$(xml InvalidObjectState "The operation is not valid for the object&apos;s storage class" '')" \
  "the object's storage class" "archived: have the store bring it back"
refused "S3, no such key" 404 4 "$(xml NoSuchKey 'The specified key does not exist.' '')" \
  "NoSuchKey: The specified key" "check bucket and name"
refused "S3, a wrong secret" 403 4 "$(xml SignatureDoesNotMatch 'The request signature we calculated does not match' '')" \
  "SignatureDoesNotMatch" "secret in --user-file"
refused "S3, denied without more" 403 4 "$(xml AccessDenied 'Access Denied' '')" "HTTP 403 (AccessDenied: Access Denied)" "--user-file"
refused "S3, too many" 503 3 "$(xml SlowDown 'Please reduce your request rate.' '')" "SlowDown: Please reduce"
refused "Azure, a link that is over" 403 4 \
  "$(xml AuthenticationFailed 'Server failed to authenticate the request.' '<AuthenticationErrorDetail>Signature not valid in the specified time frame: Start</AuthenticationErrorDetail>')" \
  "AuthenticationFailed" "get a new one"
refused "Azure, an archived blob" 409 4 "$(xml BlobArchived 'This operation is not permitted on an archived blob.' '')" "archived: have the store"
refused "Google, in JSON" 403 4 \
  '{ "error": { "code": 403, "message": "me@x does not have storage.objects.get access", "errors": [ { "reason": "forbidden" } ] } }' \
  "HTTP 403 (403: me@x does not have"
refused "a registry" 401 4 '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":[{"Type":"repository"}]}]}' \
  "UNAUTHORIZED: authentication required"
refused "OAuth" 401 4 '{"error":"invalid_token","error_description":"The token \"a\" expired"}' \
  'invalid_token: The token "a" expired' "get a new one"
refused "a gateway" 404 4 '{"message":"no Route matched with those values"}' "(no Route matched"
refused "words that would move the cursor" 403 4 \
  "$(printf '{"code":"\033[2Jx","message":"a\nb \342\200\256 c"}')" 'x1b\[2Jx: '
refused "words without end" 403 4 "$(printf '{"message":"'; head -c 3000 /dev/zero | tr '\0' w)" "www\.\.\."
refused "a page" 403 4 '<html><body>Forbidden</body></html>' "HTTP 403: not authorised"
refused "half of an element" 403 4 '<Error><Code>' "HTTP 403: not authorised"
no_controls "no control character was shown"

# ---- at most a few KiB of it

lie "status,404+body,$(head -c 30000 /dev/zero | tr '\0' w)"
run qimport start --retry-time 0 "$url" "$disk"
exits 4 "N17: a refusal of 30,000 bytes: 4"

# ---- a token that is renewed meanwhile, where the store calls it expired with 400

umask 077
printf 'X-Token: old\n' >"$scratch/headers"
begin_lies="" begin --header-file "$scratch/headers"
printf 'X-Token: new\n' >"$scratch/headers"
lie "status,400@2+body,$(xml ExpiredToken 'The provided token has expired.' '' | jq -sRr @uri)"
run qimport resume -q "$disk"
if is_right; then ok "N17: the files are read again where a store says 400 and ExpiredToken"; else
  not_ok "N17: the files are read again where a store says 400 and ExpiredToken" "$rc" "$(cat "$scratch/err")"; fi
done_testing
