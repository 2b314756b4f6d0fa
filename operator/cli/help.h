// Help on a terminal and the manual's page of commands, both from the command table. All append.
//
// Thread: any.
#ifndef OPERATOR_CLI_HELP_H
#define OPERATOR_CLI_HELP_H

#include "operator/base/bytes.h"
#include "operator/cli/commands.h"

// All commands, or those of a group, one line each.
void rwd_help_overview(const char *group, rwd_buf *out);
void rwd_help_command(const rwd_command *command, rwd_buf *out);
// "rewind state get [JOB] KEY... [flags]".
void rwd_help_synopsis(const rwd_command *command, rwd_buf *out);
// Paragraphs (parted by an empty line), broken into lines at spaces.
void rwd_help_text(const char *text, rwd_buf *out);
// Markdown.
void rwd_help_manual(rwd_buf *out);

#endif
