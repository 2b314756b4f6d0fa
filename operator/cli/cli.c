// From a command line to an exit code.
#include "operator/cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operator/base/crash_point.h"
#include "operator/base/log.h"
#include "operator/cli/cli_private.h"
#include "operator/cli/help.h"

#define OWNER_ONLY_UMASK 077
#define MESSAGE_SIZE 2048

static bool write_all(int fd, rwd_slice bytes, rwd_error *err) {
    while (bytes.size > 0) {
        ssize_t written = write(fd, bytes.data, bytes.size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) {
            struct pollfd wanted = {fd, POLLOUT, 0};
            (void)poll(&wanted, 1, -1);
            continue;
        }
        if (written < 0) return rwd_fail_errno(err, errno, "cannot write to standard output");
        bytes = rwd_slice_of(bytes.data + written, bytes.size - (size_t)written);
    }
    return true;
}

bool rwd_cli_flush(rwd_cli *cli, rwd_error *err) {
    bool worked = write_all(STDOUT_FILENO, rwd_buf_slice(&cli->out), err);
    rwd_buf_clear(&cli->out);
    return worked;
}

void rwd_cli_say(const char *format, ...) {
    char text[MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    rwd_log_progress(NULL);
    (void)fprintf(stderr, "%s\n", text);
}

void rwd_cli_who(char out[RWD_CLI_WHO]) { (void)snprintf(out, RWD_CLI_WHO, "uid %u", (unsigned)getuid()); }

bool rwd_cli_may_act(rwd_cli *cli, const char *question, bool *out_act, rwd_error *err) {
    *out_act = false;
    if (!rwd_cli_flush(cli, err)) return false;
    if (rwd_given(cli->in, RWD_FLAG_ID_DRY_RUN)) return true;
    *out_act = rwd_given(cli->in, RWD_FLAG_ID_YES);
    if (*out_act) return true;
    cli->exit_code = RWD_EXIT_USAGE;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        rwd_cli_say("This is the plan; nothing was done. Say --yes to do it.");
        return true;
    }
    (void)fprintf(stderr, "%s [y/N] ", question);
    char answer[16] = "";
    if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y')) {
        *out_act = true;
        cli->exit_code = RWD_EXIT_OK;
    } else {
        rwd_cli_say("Nothing was done.");
    }
    return true;
}

// An error as JSON, for -o json: one object on standard error.
static void print_error_json(const rwd_error *err) {
    rwd_buf text = {0};
    rwd_json_out json;
    rwd_json_init(&json, &text, false);
    rwd_json_object(&json);
    rwd_json_key(&json, "error");
    rwd_json_string(&json, rwd_code_name(err->code));
    rwd_json_key(&json, "exit_code");
    rwd_json_int(&json, rwd_code_exit(err->code));
    rwd_json_key(&json, "place");
    rwd_json_string(&json, *err->place ? err->place : NULL);
    rwd_json_key(&json, "cause");
    rwd_json_string(&json, *err->cause ? err->cause : rwd_code_meaning(err->code));
    rwd_json_key(&json, "next");
    rwd_json_string(&json, *err->next ? err->next : NULL);
    rwd_json_object_end(&json);
    (void)fprintf(stderr, "%s\n", rwd_buf_cstr(&text));
    rwd_buf_deinit(&text);
}

static int fail(const rwd_error *err, bool json) {
    char text[MESSAGE_SIZE];
    rwd_log_progress(NULL);
    if (json) print_error_json(err);
    else {
        rwd_error_format(err, text, sizeof(text));
        (void)fprintf(stderr, "rewind: %s\n", text);
    }
    // Codes of events (SKIP) have exit code 0; as the reason why a command failed they are its caller's mistake.
    int code = (int)rwd_code_exit(err->code);
    return code == RWD_EXIT_OK ? RWD_EXIT_USAGE : code;
}

static const char *environment(const char *name) { return getenv(name); }

static bool set_up(const rwd_invocation *in, rwd_error *err) {
    rwd_log_level level = RWD_LOG_INFO;
    const char *word = in->values[RWD_FLAG_ID_LOG_LEVEL], *format = in->values[RWD_FLAG_ID_LOG_FORMAT];
    if (word && !rwd_log_level_parse(word, &level)) return rwd_fail(err, RWD_E_USAGE, "'%s' is no log level", word);
    rwd_log_setup(level, format && strcmp(format, "json") == 0);
    (void)umask(OWNER_ONLY_UMASK);
    (void)signal(SIGPIPE, SIG_IGN);
    return rwd_crash_points_setup(getenv("REWIND_CRASH_POINT"), err);
}

static int show_help(const rwd_invocation *in) {
    rwd_cli cli = {.in = in};
    rwd_error err;
    if (in->command) rwd_help_command(in->command, &cli.out);
    else rwd_help_overview(in->group, &cli.out);
    bool asked = rwd_given(in, RWD_FLAG_ID_HELP), worked = true;
    if (asked) worked = rwd_cli_flush(&cli, &err);
    else (void)fwrite(cli.out.data, 1, cli.out.size, stderr);
    rwd_buf_deinit(&cli.out);
    if (!worked) return fail(&err, false);
    return asked ? RWD_EXIT_OK : RWD_EXIT_USAGE;
}

static int run_command(const rwd_invocation *in) {
    const char *output = in->values[RWD_FLAG_ID_OUTPUT] ? in->values[RWD_FLAG_ID_OUTPUT] : in->values[RWD_FLAG_ID_OUTPUT_CSV];
    rwd_cli cli = {.in = in, .clock = rwd_clock_system(), .json = output && strcmp(output, "json") == 0, .csv = output && strcmp(output, "csv") == 0};
    rwd_error err, flush_err;
    rwd_error_clear(&err);
    bool worked = in->command->run(&cli, &err);
    bool flushed = rwd_cli_flush(&cli, &flush_err);
    rwd_buf_deinit(&cli.out);
    if (!worked) return fail(&err, cli.json);
    return flushed ? (int)cli.exit_code : fail(&flush_err, cli.json);
}

int rwd_cli_main(int argc, const char *const *argv) {
    rwd_invocation in;
    rwd_error err;
    rwd_error_clear(&err);
    if (!rwd_parse_command_line(argc, argv, environment, &in, &err)) return fail(&err, false);
    int code;
    if (!in.command || rwd_given(&in, RWD_FLAG_ID_HELP)) code = show_help(&in);
    else code = set_up(&in, &err) ? run_command(&in) : fail(&err, false);
    rwd_invocation_deinit(&in);
    return code;
}
