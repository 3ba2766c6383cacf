#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The packages of every distribution are of this version, depend on what configure asks for, and
# take every file that make install puts somewhere.  None is built here: tools/package does that.
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"
packaging=$top_srcdir/packaging
apk=$packaging/alpine/APKBUILD arch=$packaging/arch/PKGBUILD spec=$packaging/qimport.spec
control=$packaging/debian/control

# ---- version

version=$(sed -n 's/^AC_INIT(\[qimport\], \[\([0-9.]*\)\].*/\1/p' "$top_srcdir/configure.ac")
is "$(sed -n 's/^pkgver=//p' "$apk" "$arch"
      sed -n 's/^Version: *//p' "$spec"
      sed -n 's/^version: *//p' "$top_srcdir/etc/ansible/ansible_collections/qimport/images/galaxy.yml"
      sed -n '1s/^qimport (\([0-9.]*\)-.*/\1/p' "$packaging/debian/changelog")" \
  "$(printf '%s\n' "$version" "$version" "$version" "$version" "$version")" \
  "APKBUILD, PKGBUILD, spec, collection and changelog are of version $version"

# ---- form

check "APKBUILD is a shell script" sh -n "$apk"
check "PKGBUILD is one of bash" bash -n "$arch"
if command -v shellcheck >/dev/null; then
  # Both are sourced with set -e, by who reads the variables.
  is "$(shellcheck -s sh -e SC2034,SC2154,SC2164 "$apk"; shellcheck -s bash -e SC2034,SC2154,SC2164 "$arch")" "" \
    "shellcheck has nothing to say about them"
else
  skip "shellcheck has nothing to say about them" "it is not installed"
fi
"$top_srcdir/configure" --help >"$scratch/help"
unknown=
for option in $(grep -ohE -- '--(with|without|enable|disable)-[a-z-]+' "$apk" "$arch" "$spec" "$packaging/debian/rules"); do
  word=$(echo "$option" | sed 's/^--[a-z]*-//')
  grep -qE -- "--(with|without|enable|disable)-$word\b" "$scratch/help" || unknown="$unknown $option"
done
is "$unknown" "" "they give configure no option that it does not have"

# ---- what it takes

# Module of pkg-config (or what has none): Debian, Alpine, Arch, spec.
missing=
while read -r module debian alpine archlinux rpm; do
  grep -q "\b$debian\b" "$control" || missing="$missing $debian"
  grep -qE "^	$alpine\$" "$apk" || missing="$missing $alpine"
  sed -n 's/^depends=(\(.*\))/ \1 /p' "$arch" | grep -q " $archlinux " || missing="$missing $archlinux"
  grep -qF "$rpm" "$spec" || missing="$missing $rpm"
  echo "$module" >>"$scratch/known"
done <<END
libcurl libcurl4-openssl-dev curl-dev curl pkgconfig(libcurl)
sqlite3 libsqlite3-dev sqlite-dev sqlite pkgconfig(sqlite3)
uuid uuid-dev util-linux-dev util-linux-libs pkgconfig(uuid)
blkid libblkid-dev util-linux-dev util-linux-libs pkgconfig(blkid)
libdeflate libdeflate-dev libdeflate-dev libdeflate pkgconfig(libdeflate)
libzstd libzstd-dev zstd-dev zstd pkgconfig(libzstd)
nettle nettle-dev nettle-dev nettle pkgconfig(nettle)
libnbd libnbd-dev libnbd-dev libnbd pkgconfig(libnbd)
liblzma liblzma-dev xz-dev xz pkgconfig(liblzma)
zlib zlib1g-dev zlib-dev zlib pkgconfig(zlib)
bzip2 libbz2-dev bzip2-dev bzip2 bzip2-devel
END
is "$missing" "" "each names the libraries of configure"
is "$(sed -n 's/.*PKG_CHECK_MODULES(\[[A-Z]*\], \[\([a-z0-9]*\).*/\1/p' "$top_srcdir/configure.ac" |
      grep -v cmocka | grep -vxF -f "$scratch/known")" "" "and configure asks for no other"

# ---- what is installed

prefix=$(sed -n 's/^prefix = //p' "$top_builddir/Makefile")
pkgdir=$scratch/pkg srcdir=$scratch/src
mkdir -p "$pkgdir" "$srcdir/qimport-$version"
for name in arch apk; do ln -s "$(cd "$top_builddir" && pwd)" "$srcdir/qimport-$version/build-$name"; done
export pkgdir srcdir arch
# Not of the make that runs this.
bash -ec 'unset MAKEFLAGS MAKELEVEL; . "$arch"; package' >"$scratch/installed.log" 2>&1 ||
  not_ok "PKGBUILD installs" "$(tail -n 5 "$scratch/installed.log")"
(cd "$pkgdir$prefix" && find . ! -type d ! -name '*.la') | sed 's|^\./|usr/|' | sort >"$scratch/files"
check "PKGBUILD installs: the program, the library and the packages are there" [ "$(grep -c \
  '^usr/bin/qimport$\|/libqimport\.so\.0$\|/qimport/py.typed$\|/modules/qimport.py$' "$scratch/files")" -ge 3 ]

# APKBUILD's functions over the same files.
cat >"$scratch/apk.sh" <<'END'
set -e
. "$apk"
builddir=$srcdir/qimport-$pkgver whole=$pkgdir pkgdir=$scratch/apk
make () { echo "$*"; mkdir -p "$pkgdir/usr"; cp -a "$whole$prefix/." "$pkgdir/usr/"; }
amove () { for path; do (cd "$pkgdir" && ls -d $path) >/dev/null; done; }
package
ansible
stream_tool
! grep -q '/python3' "$scratch/files" || py3
echo "depends on $depends"
END
export apk scratch prefix
is "$(sh "$scratch/apk.sh" 2>&1 | sed "s|$scratch||; s|-r[0-9]*||")" "DESTDIR=/apk install
depends on qimport-libs=$version python3" "APKBUILD's functions find what they move"

# taken_by WHERE: lines of patterns on standard input; prints files that match none
taken_by () {
  cat >"$scratch/patterns"
  while read -r file; do
    case $file in */doc/qimport/examples/*) continue ;; esac
    taken=
    while read -r pattern; do
      # shellcheck disable=SC2254
      case $file in $pattern | $pattern/*) taken=yes; break ;; esac
    done <"$scratch/patterns"
    [ -n "$taken" ] || echo "$file"
  done <"$1"
}
sed 's,^usr/lib/\(libqimport\|pkgconfig\),usr/lib/any/\1,; s,^usr/lib/systemd/system,lib/systemd/system,
     s,^usr/lib/python3\.[0-9]*,usr/lib/python3,' "$scratch/files" >"$scratch/of-debian"
is "$(cat "$packaging"/debian/*.install | taken_by "$scratch/of-debian")" "" "every file is in a Debian package"
sed -n '/^%files/,/^%changelog/p' "$spec" | sed -n 's/^%license.*//; /^%{/p' | sed \
  's|%{name}|qimport|; s|%{_docdir}|usr/share/doc|; s|%{_bindir}|usr/bin|; s|%{_mandir}|usr/share/man|; s|%{_libdir}|usr/lib|
   s|%{_datadir}|usr/share|; s|%{_includedir}|usr/include|; s|%{_unitdir}|usr/lib/systemd/system|
   s|%{_tmpfilesdir}|usr/lib/tmpfiles.d|; s|%{python3_sitelib}|usr/lib/python3*/*-packages|
   s|%{_libexecdir}|usr/libexec|; s|completions/qimport$|completions/qimport.bash|' >"$scratch/of-spec"
is "$(grep -v '\.a$' "$scratch/files" >"$scratch/shared"; taken_by "$scratch/shared" <"$scratch/of-spec")" "" \
  "every file is in an RPM package"
done_testing
