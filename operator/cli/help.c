// Help from the command table.
#include "operator/cli/help.h"

#include <stdio.h>
#include <string.h>

#include "operator/cli/cli_private.h"

#define TEXT_WIDTH 100
#define FLAG_WIDTH 30
#define NAME_WIDTH 20

void rwd_help_synopsis(const rwd_command *command, rwd_buf *out) {
    rwd_buf_appendf(out, "rewind %s", command->name);
    if (command->job == RWD_JOB_REQUIRED) rwd_buf_append_str(out, " JOB");
    if (command->job == RWD_JOB_FINDS || command->job == RWD_JOB_MAY) rwd_buf_append_str(out, " [JOB]");
    if (*command->args) rwd_buf_appendf(out, " %s", command->args);
    if (command->flags) rwd_buf_append_str(out, " [FLAGS]");
}

// One paragraph, broken at spaces.
static void append_paragraph(rwd_buf *out, const char *text, size_t size, const char *indent) {
    size_t column = 0;
    for (size_t at = 0; at < size;) {
        size_t word = 0;
        while (at + word < size && text[at + word] != ' ') word++;
        if (column > 0 && column + 1 + word > TEXT_WIDTH) {
            rwd_buf_append_char(out, '\n');
            column = 0;
        }
        if (column == 0) rwd_buf_append_str(out, indent);
        else rwd_buf_append_char(out, ' ');
        rwd_buf_append(out, text + at, word);
        column += word + (column > 0);
        at += word + 1;
    }
    rwd_buf_append_char(out, '\n');
}

static void append_text(rwd_buf *out, const char *text, const char *indent) {
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t size = end ? (size_t)(end - text) : strlen(text);
        append_paragraph(out, text, size, indent);
        if (!end) return;
        rwd_buf_append_char(out, '\n');
        text = end + 2;
    }
}

void rwd_help_text(const char *text, rwd_buf *out) { append_text(out, text, ""); }

static void flag_name(const rwd_flag *flag, char *out, size_t capacity) {
    char letter[8] = "    ";
    if (flag->letter) (void)snprintf(letter, sizeof(letter), "-%c, ", flag->letter);
    (void)snprintf(out, capacity, "%s--%s%s%s", letter, flag->name, *flag->takes ? " " : "", flag->takes);
}

static void append_flags(rwd_buf *out, uint64_t bits) {
    for (int i = 0; i < RWD_FLAG_ID_COUNT; i++) {
        if (!(bits >> i & 1)) continue;
        const rwd_flag *flag = rwd_flag_at((rwd_flag_id)i);
        char name[80];
        flag_name(flag, name, sizeof(name));
        rwd_buf_appendf(out, "  %-*s", FLAG_WIDTH, name);
        if (strlen(name) >= FLAG_WIDTH) rwd_buf_appendf(out, "\n  %-*s", FLAG_WIDTH, "");
        rwd_buf_appendf(out, " %s", flag->help);
        if (*flag->environment) rwd_buf_appendf(out, " (or %s)", flag->environment);
        rwd_buf_append_char(out, '\n');
    }
}

static size_t exit_count(const rwd_command *command) {
    size_t count = 1;
    while (count < RWD_COMMAND_EXITS_MAX && command->exits[count] != RWD_EXIT_OK) count++;
    return count;
}

void rwd_help_command(const rwd_command *command, rwd_buf *out) {
    rwd_help_synopsis(command, out);
    rwd_buf_appendf(out, "\n  %s\n", command->brief);
    if (*command->about) {
        rwd_buf_append_char(out, '\n');
        append_text(out, command->about, "  ");
    }
    if (command->job == RWD_JOB_FINDS || command->job == RWD_JOB_MAY)
        rwd_buf_append_str(out, "\n  The job is found by its job file (JOB) or by its data directory (--data, REWIND_DATA).\n");
    rwd_buf_append_str(out, "\nFlags\n");
    append_flags(out, command->flags | rwd_common_flags());
    rwd_buf_append_str(out, "\nExamples\n");
    for (const char *line = command->examples; *line;) {
        size_t size = strcspn(line, "\n");
        rwd_buf_appendf(out, "  %.*s\n", (int)size, line);
        line += size + (line[size] == '\n');
    }
    rwd_buf_append_str(out, "\nExit codes\n");
    for (size_t i = 0; i < exit_count(command); i++)
        rwd_buf_appendf(out, "  %3d  %s\n", (int)command->exits[i], rwd_exit_meaning(command->exits[i]));
}

void rwd_help_overview(const char *group, rwd_buf *out) {
    if (group) rwd_buf_appendf(out, "rewind %s COMMAND\n\n", group);
    else
        rwd_buf_append_str(out, "rewind COMMAND\n  A stateful stream operator that can undo: one partition in, keyed aggregates, checkpoints,\n"
                                "  rollback and silent replay.\n\n");
    const rwd_command *command;
    for (size_t i = 0; (command = rwd_command_at(i)); i++) {
        if (group && (strncmp(command->name, group, strlen(group)) != 0 || command->name[strlen(group)] != ' ')) continue;
        rwd_buf_appendf(out, "  %-*s %s\n", NAME_WIDTH, command->name, command->brief);
    }
    rwd_buf_append_str(out, "\nrewind help COMMAND tells more. rewind demo shows it at work.\n");
}

// ---- the manual

static void escape_cell(rwd_buf *out, const char *text) {
    for (; *text; text++) {
        if (*text == '|') rwd_buf_append_char(out, '\\');
        rwd_buf_append_char(out, *text);
    }
}

static void manual_flags(rwd_buf *out, uint64_t bits) {
    rwd_buf_append_str(out, "| flag | |\n|---|---|\n");
    for (int i = 0; i < RWD_FLAG_ID_COUNT; i++) {
        if (!(bits >> i & 1)) continue;
        const rwd_flag *flag = rwd_flag_at((rwd_flag_id)i);
        rwd_buf_append_str(out, "| ");
        if (flag->letter) rwd_buf_appendf(out, "`-%c`, ", flag->letter);
        rwd_buf_appendf(out, "`--%s", flag->name);
        if (*flag->takes) {
            rwd_buf_append_char(out, ' ');
            escape_cell(out, flag->takes);
        }
        rwd_buf_append_str(out, "` | ");
        escape_cell(out, flag->help);
        if (*flag->environment) rwd_buf_appendf(out, " (or `%s`)", flag->environment);
        rwd_buf_append_str(out, " |\n");
    }
}

static void manual_command(const rwd_command *command, rwd_buf *out) {
    rwd_buf_appendf(out, "\n## rewind %s\n\n%c%s.\n\n```\n", command->name, command->brief[0] >= 'a' && command->brief[0] <= 'z' ? command->brief[0] - 32 : command->brief[0],
                    command->brief + 1);
    rwd_help_synopsis(command, out);
    rwd_buf_append_str(out, "\n```\n\n");
    if (*command->about) {
        rwd_help_text(command->about, out);
        rwd_buf_append_char(out, '\n');
    }
    if (command->flags) {
        manual_flags(out, command->flags);
        rwd_buf_append_char(out, '\n');
    }
    rwd_buf_appendf(out, "```\n%s\n```\n\nExit codes:", command->examples);
    for (size_t i = 0; i < exit_count(command); i++) rwd_buf_appendf(out, "%s %d", i ? "," : "", (int)command->exits[i]);
    rwd_buf_append_str(out, " ([what they mean](errors.md)).\n");
}

static const char introduction[] =
    "The first argument, JOB, is a job file. Where it stands in brackets the job can also be found by its data directory, with `--data` or `REWIND_DATA`; then the first "
    "argument is the job file only if it ends in `.yaml` or `.yml`. Flags may stand anywhere; `--` ends them. A flag is stronger than an environment variable, which is "
    "stronger than the job file.\n\n"
    "A checkpoint is named by its id, the beginning of its id, its tag, or `latest`. Times are shown in UTC.\n\n"
    "A command that changes or removes something prints its plan first. With `--dry-run` that is all. With `--yes` it goes on. Otherwise it asks on a terminal, and where "
    "there is none it stops with exit code 2.\n\n"
    "Every command takes:";

void rwd_help_manual(rwd_buf *out) {
    rwd_buf_append_str(out, "# Commands\n\n");
    rwd_help_text(introduction, out);
    rwd_buf_append_char(out, '\n');
    manual_flags(out, rwd_common_flags());
    const rwd_command *command;
    for (size_t i = 0; (command = rwd_command_at(i)); i++) manual_command(command, out);
}

static const char *no_environment(const char *name) {
    (void)name;
    return NULL;
}

bool rwd_run_help(rwd_cli *cli, rwd_error *err) {
    const rwd_invocation *in = cli->in;
    char name[96] = "";
    if (in->arg_count > 0) (void)snprintf(name, sizeof(name), "%s%s%s", in->args[0], in->arg_count > 1 ? " " : "", in->arg_count > 1 ? in->args[1] : "");
    const rwd_command *command = rwd_command_find(name);
    if (command) rwd_help_command(command, &cli->out);
    else if (in->arg_count == 0) rwd_help_overview(NULL, &cli->out);
    else if (in->arg_count == 1 && rwd_command_is_group(name)) rwd_help_overview(name, &cli->out);
    else {
        // The parser's own words for an unknown command.
        const char *argv[] = {"rewind", in->args[0], in->arg_count > 1 ? in->args[1] : "--help"};
        rwd_invocation ignored;
        if (rwd_parse_command_line(3, argv, no_environment, &ignored, err)) rwd_invocation_deinit(&ignored);
        else return false;
        return rwd_fail(err, RWD_E_USAGE, "there is no command '%s'", name);
    }
    return true;
}
