// The program.
#include "operator/cli/cli.h"

int main(int argc, char **argv) { return rwd_cli_main(argc, (const char *const *)argv); }
