# SPDX-License-Identifier: LGPL-2.1-or-later

# Shell completions, where the shells of a distribution look for them.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = etc/completion/qimport.bash
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = etc/completion/_qimport
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_fishcompletion_DATA = etc/completion/qimport.fish
