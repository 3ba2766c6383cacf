/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * trust/checksum_file: every layout says what it says, of the file that was asked for and of no
 * other; and what contradicts itself says nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* before cmocka, which has a macro of the name fail */
#include "trust/checksum_file.h"

#include <cmocka.h>

#define MD5_A "0123456789abcdef0123456789abcdef"
#define SHA1_A "0123456789abcdef0123456789abcdef01234567"
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define UPPER "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define A512 A A
#define B512 B B

/* What TEXT says about "disk.img": its strongest checksum as text, "-" for nothing, "!" for a
 * contradiction, "?" for what is no file of checksums. */
static const char *
said_of (const char *text, size_t len, const char *name)
{
  static char out[HASH_TEXT];
  struct checksums c;
  struct error err;

  if (checksum_file_read ((struct span){ text, len }, name, &c, &err) == 0)
    return checksum_text (out, checksums_strongest (&c));
  assert_int_equal (err.code, ERR_SOURCE_CHECKSUM);
  if (strstr (err.text, "has no digest of") != NULL)
    return "-";
  return strstr (err.text, "contradicts") != NULL ? "!" : "?";
}

struct layout {
  const char *text, *want;
};

static void
check_layouts (const struct layout *l, size_t n, const char *name)
{
  size_t i;

  for (i = 0; i < n; i++) {
    const char *got = said_of (l[i].text, strlen (l[i].text), name);

    if (strcmp (got, l[i].want) != 0)
      fail_msg ("of\n%s\n  got %s, want %s", l[i].text, got, l[i].want);
  }
}

#define CHECK(layouts, name) check_layouts (layouts, sizeof (layouts) / sizeof *(layouts), name)

static void
lines_of_coreutils_are_read (void **state)
{
  static const struct layout layouts[] = {
    { A "  disk.img\n", A },
    { A " *disk.img\n", A },
    { A "  disk.img", A },
    { A " disk.img\n", A },
    { A "\tdisk.img\n", A },
    { A "  ./disk.img\r\n" B "  other.img\r\n", A },
    { B "  other.img\n" A " *images/amd64/disk.img\n", A },
    { "\xEF\xBB\xBF" A "  disk.img\n", A },
    { UPPER "  disk.img\n", A },
    { MD5_A "  disk.img\n", "md5:" MD5_A },
    { SHA1_A "  disk.img\n", "sha1:" SHA1_A },
    { A512 "  disk.img\n", "sha512:" A512 },
    { "sha512:" A512 "  disk.img\n", "sha512:" A512 },
    { A "  http://example.org/a/disk.img\n", A },
    { A "  http://example.org/a/disk%2eimg?x=/disk2\n", A },
    { "\n  " A "  disk.img  \n\n", A },
    { A "  disk.img2\n", "-" },
    { A "  xdisk.img\n", "-" },
    { A "  disk.img/x\n", "-" },
    { A "disk.img\n", "-" },
    { "g" A "  disk.img\n", "-" },
    { A "a  disk.img\n", "-" },
    { A "  disk%2eimg\n", "-" },
    { "", "-" },
    { "\n\n", "-" },
    { "<html><body>404 disk.img</body></html>\n", "-" },
  };

  (void)state;
  CHECK (layouts, "disk.img");
}

static void
escaped_names_are_read (void **state)
{
  static const struct layout layouts[] = {
    { "\\" A "  a\\\\b\\nc\n", A },
    { "\\" A " *x/a\\\\b\\nc\n", A },
    { "\\SHA256 (a\\\\b\\nc) = " A "\n", A },
    { A "  a\\\\b\\nc\n", "-" },
  };
  static const struct layout star[] = { { A "  *x\n", A }, { A " **x\n", A } };

  (void)state;
  CHECK (layouts, "a\\b\nc");
  CHECK (star, "*x");
}

static void
lines_of_bsd_are_read (void **state)
{
  static const struct layout layouts[] = {
    { "SHA256 (disk.img) = " A "\n", A },
    { "# disk.img: 123 bytes\nSHA256 (disk.img) = " A "\n", A },
    { "SHA512 (disk.img) = " A512 "\nSHA256 (disk.img) = " B "\n", "sha512:" A512 },
    { "SHA2-256(disk.img)= " A "\n", A },
    { "SHA512(disk.img)= " A512 "\n", "sha512:" A512 },
    { "SHA256 (d(i)sk.img) = " A "\nSHA256 (./disk.img) = " B "\n", B },
    { "BLAKE2b (disk.img) = " A512 "\n", "-" },
    { "BLAKE2b (disk.img) = " A512 "\nSHA256 (disk.img) = " B "\n", B },
    { "SHA512 (disk.img) = " A "\n", "-" },
    { "SHA256 (disk.img = " A "\n", "-" },
    { "SHA256 disk.img) = " A "\n", "-" },
    { "SHA256 () = " A "\n", "-" },
  };

  (void)state;
  CHECK (layouts, "disk.img");
}

static void
other_orders_are_read (void **state)
{
  static const struct layout layouts[] = {
    { "disk.img: " A "\n", A },
    { "disk.img = " A "\n", A },
    { "disk.img " A "\nother.img " B "\n", A },
    { "disk.img: sha512:" A512 "\n", "sha512:" A512 },
  };

  (void)state;
  CHECK (layouts, "disk.img");
  assert_string_equal (said_of ("tiger.img: " A, 75, "tiger.img"), A);
}

static void
a_digest_alone_is_the_files (void **state)
{
  static const struct layout layouts[] = {
    { A "\n", A },
    { A, A },
    { "\n" A "  -\n", A },
    { "# made by hand\n" A512 "\n", "sha512:" A512 },
    { "SHA256: " A "\n", A },
    { "sha256:" A "\n", A },
    { A "\n" B "\n", "-" },
    { A "\n" B "  other.img\n", "-" },
    { "BLAKE2B: " A512 "\n", "-" },
    { "word\n" A "\n", "-" },
    { "abc\n", "-" },
  };

  (void)state;
  CHECK (layouts, "disk.img");
}

static void
sections_say_the_algorithm (void **state)
{
  static const struct layout layouts[] = {
    { "# MD5 HASH\n" MD5_A "  disk.img\n# SHA1 HASH\n" SHA1_A "  disk.img\n# SHA512 HASH\n" A512
      "  disk.img\n",
      "sha512:" A512 },
    { "# SHA256 HASH\n" A "  disk.img\n# BLAKE2B HASH\n" B512 "  disk.img\n", A },
    { "# BLAKE2B HASH\n" B512 "  disk.img\n# SHA512 HASH\n" A512 "  disk.img\n",
      "sha512:" A512 },
    { "# WHIRLPOOL HASH\n" B512 "  disk.img\n", "-" },
    { "# UNHEARD-OF HASH\n" B512 "  disk.img\n", "-" },
    { "b2sum:\n" B512 "  disk.img\nsha256sum:\n" A "  disk.img\n", A },
    { "[SHA256]\n" A "  disk.img\n", A },
    { "SHA3-256\n" B "  disk.img\n", "-" },
    { "# SHA512 HASH\n" A "  disk.img\n", "-" },
    { "# Comment\n# SHA256\n" A "  disk.img\n", A },
  };

  (void)state;
  CHECK (layouts, "disk.img");
}

static void
contradictions_are_refused (void **state)
{
  static const struct layout layouts[] = {
    { A "  disk.img\n" B "  disk.img\n", "!" },
    { A "  disk.img\n" A " *./disk.img\n", A },
    { A "  a/disk.img\n" B "  b/disk.img\n", "!" },
    { MD5_A "  disk.img\n" A512 "  disk.img\nMD5 (disk.img) = " SHA1_A
            "\nMD5 (disk.img) = 00000000000000000000000000000000\n",
      "!" },
    { "[{\"name\": \"disk.img\", \"sha256\": \"" A
      "\"}, {\"name\": \"disk.img\", \"sha256\": \"" B "\"}]",
      "!" },
    { "{\"name\": \"disk.img\", \"sha256\": \"" A "\", \"sha256\": \"" B "\"}", "!" },
  };

  (void)state;
  CHECK (layouts, "disk.img");
}

#define BEGIN "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
#define END "-----BEGIN PGP SIGNATURE-----\n\nAbCd\n-----END PGP SIGNATURE-----\n"

static void
only_what_is_signed_counts (void **state)
{
  static const struct layout layouts[] = {
    { BEGIN A "  disk.img\n" END, A },
    { B "  disk.img\n" BEGIN A "  disk.img\n" END, A },
    { BEGIN A "  disk.img\n" END B "  disk.img\n", A },
    { B "  disk.img\n" BEGIN A "  other.img\n" END, "-" },
    { BEGIN "SHA256 (disk.img) = " A "\n" END, A },
    { BEGIN "- " A "  disk.img\n" END, A },
    { BEGIN A "\n" END, A },
    { "\xEF\xBB\xBF" BEGIN A "  disk.img\n" END, A },
    { BEGIN A "  disk.img\n", "?" },
    { BEGIN A "  disk.img\n-----BEGIN PGP SIGNATURE-----\n", "?" },
    { "-----BEGIN PGP SIGNED MESSAGE-----\n", "?" },
    { BEGIN A "  disk.img\n" END BEGIN A "  disk.img\n" END, "?" },
    { BEGIN B "  disk.img\n" BEGIN A "  disk.img\n" END, "?" },
    { BEGIN "- " BEGIN B "  disk.img\n" END, B },
    { " -----BEGIN PGP SIGNED MESSAGE-----\n" A "  disk.img\n", A },
  };

  (void)state;
  CHECK (layouts, "disk.img");
}

static void
json_is_read (void **state)
{
  static const struct layout layouts[] = {
    { "{\"architectures\": {\"x86_64\": {\"disk\": {\"location\": "
      "\"https://example.org/x/disk.img\", \"signature\": "
      "\"https://example.org/disk.img.sig\", "
      "\"sha256\": \"" A "\", \"uncompressed-sha256\": \"" B "\"}}}}",
      A },
    { "{\"items\": {\"disk1\": {\"md5\": \"" MD5_A "\", \"path\": \"server/disk.img\", "
      "\"sha256\": \"" A "\", \"size\": 5}}}",
      A },
    { "{\"assets\": [{\"name\": \"disk.img\", \"digest\": \"sha256:" A
      "\"}, {\"name\": \"o\", \"digest\": \"sha256:" B "\"}]}",
      A },
    { "{\"disk.img\": \"" A "\"}", A },
    { "{\"disk.img\": {\"sha512\": \"" A512 "\"}}", "sha512:" A512 },
    { "{\"url\": \"http://x/disk.img\", \"checksum_type\": \"sha256\", \"checksum\": \"" A
      "\"}",
      A },
    { "{\"checksum\": \"" A "\", \"name\": \"disk.img\"}", A },
    { "{\"checksum_type\": \"blake2b\", \"checksum\": \"" A512 "\", \"name\": \"disk.img\"}",
      "-" },
    { "{\"name\": \"other\", \"sha256\": \"" A "\"}", "-" },
    { "{\"name\": \"disk.img\", \"x\": {\"sha256\": \"" A "\"}}", "-" },
    { "{\"x\": {\"name\": \"disk.img\"}, \"sha256\": \"" A "\"}", "-" },
    { "{\"sha256\": [\"" A "\"], \"name\": \"disk.img\"}", "-" },
    { "{\"checksums\": {\"sha256\": \"" A "\"}, \"name\": \"disk.img\"}", A },
    { "{\"name\": \"disk.img\", \"checksum\": {\"type\": \"sha512\", \"value\": \"" A512 "\"}}",
      "sha512:" A512 },
    { "{\"name\": \"disk.img\", \"sha512sum\": \"" A512 "\", \"sha256sum\": \"" B "\"}",
      "sha512:" A512 },
    { "{\"name\": \"disk.img\", \"hashes\": {\"sha256\": \"" A "\"}, \"sha256\": \"" B "\"}",
      "!" },
    { "{\"name\": \"other\", \"hashes\": {\"sha256\": \"" A "\"}, \"x\": {\"name\": "
      "\"disk.img\"}}",
      "-" },
    { "{\"name\": \"disk.img\", \"x\": {\"value\": \"" A "\", \"type\": \"sha256\"}}", "-" },
    { "[{\"hashes\": [{\"sha256\": \"" A "\"}], \"name\": \"disk.img\"}]", "-" },
    { "{\"name\": \"disk.img\", \"sha256\": \"" A "\"", "?" },
    { BEGIN "{\"name\": \"disk.img\", \"sha256\": \"" A "\"}\n" END, A },
  };

  (void)state;
  CHECK (layouts, "disk.img");
}

static void
bytes_of_any_kind_do_no_harm (void **state)
{
  char text[] = A "  disk.img\n" B "  x\0y\n\0\0" B "  disk.img\n\xff\xfe";

  (void)state;
  assert_string_equal (said_of (text, sizeof text - 1, "disk.img"), A);
  assert_string_equal (said_of ("\0", 1, "disk.img"), "-");
}

static void
the_name_is_the_urls_last_part (void **state)
{
  static const struct {
    const char *url, *name;
  } urls[] = {
    { "https://example.org/a/b.qcow2", "b.qcow2" },
    { "https://example.org/a/b%20c.qcow2?sig=/x#y", "b c.qcow2" },
    { "https://example.org/a/%c3%bc%2F%00%zz", "\303\274/%00%zz" },
    { "file:///x/a%23b", "a#b" },
    { "/srv/a%20b?c.img", "a%20b?c.img" },
    { "-", "-" },
  };
  char name[CHECKSUM_NAME_MAX], longest[CHECKSUM_NAME_MAX + 1];
  struct error err;
  size_t i;

  (void)state;
  for (i = 0; i < sizeof urls / sizeof *urls; i++) {
    assert_int_equal (checksum_name (urls[i].url, name, &err), 0);
    assert_string_equal (name, urls[i].name);
  }
  memset (longest, 'x', sizeof longest);
  longest[sizeof longest - 1] = '\0';
  assert_int_equal (checksum_name (longest, name, &err), -1);
  assert_int_equal (checksum_name ("https://example.org/a/?b", name, &err), -1);
  assert_int_equal (err.code, ERR_USAGE);
}

int
main (void)
{
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test (lines_of_coreutils_are_read),
    cmocka_unit_test (escaped_names_are_read),
    cmocka_unit_test (lines_of_bsd_are_read),
    cmocka_unit_test (other_orders_are_read),
    cmocka_unit_test (a_digest_alone_is_the_files),
    cmocka_unit_test (sections_say_the_algorithm),
    cmocka_unit_test (contradictions_are_refused),
    cmocka_unit_test (only_what_is_signed_counts),
    cmocka_unit_test (json_is_read),
    cmocka_unit_test (bytes_of_any_kind_do_no_harm),
    cmocka_unit_test (the_name_is_the_urls_last_part),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
