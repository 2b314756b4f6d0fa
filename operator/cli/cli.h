// The program: a command line in, an exit code out.
//
// Thread: main.
#ifndef OPERATOR_CLI_CLI_H
#define OPERATOR_CLI_CLI_H

#include "operator/base/error.h"

// Runs the command that `argv` names; output goes to standard output, errors and the log to standard error. Returns the exit code.
int rwd_cli_main(int argc, const char *const *argv);

#endif
