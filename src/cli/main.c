/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * main: makes the process fit to hold secrets and to write disks, then does what was asked for.
 * The program has no powers of its own: all work is libqimport's.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/secret.h"

/* A descriptor 0, 1 or 2 that was closed must not become the target.  What takes its place
 * cannot be used the way it would be, so that a lost result is an error. */
static int
fill_standard_descriptors (void)
{
  int fd;

  for (fd = 0; fd <= 2; fd++)
    if (fcntl (fd, F_GETFD) == -1 && errno == EBADF
        && open ("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
      return -1;
  return 0;
}

/* J8: no core dump and no debugger of the same user sees the credentials in memory.  The leak
 * checker is such a debugger. */
static void
guard_memory (void)
{
#ifndef __SANITIZE_ADDRESS__
  prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* Before any other is open, which could have the number that was meant. */
static int
check_descriptors (const struct arguments *a)
{
  size_t i;
  int fd;

  for (i = 0; i < a->n_words; i++)
    if (url_descriptor (a->words[i], &fd) && fcntl (fd, F_GETFD) == -1)
      return usage_error (a->command->name,
                          "%s: no descriptor of that number was handed over open", a->words[i]);
  return 0;
}

static int
run (const struct arguments *a)
{
  if (a->version) {
    print_version ();
    return 0;
  }
  if (a->help) {
    print_help (a->command);
    return 0;
  }
  return check_descriptors (a) != 0 ? QIMPORT_USAGE : a->command->run (a);
}

int
main (int argc, char **argv)
{
  struct arguments a;
  char **words;
  int status, i;

  if (fill_standard_descriptors () == -1)
    return QIMPORT_INTERNAL;
  words = secret_take_argv (argc, argv);
  if (words == NULL)
    return out_of_memory ();
  guard_memory ();
  signal (SIGPIPE, SIG_IGN);
  signal (SIGXFSZ, SIG_IGN);
  setlocale (LC_CTYPE, ""); /* not LC_NUMERIC: 1.5G is a size everywhere */
  status = arguments_parse (&a, argc, words);
  if (status == 0)
    status = run (&a);
  status = out_finish (status);
  arguments_release (&a);
  for (i = 0; i < argc; i++)
    free (words[i]);
  free (words);
  return status;
}
