// demo: orders with faults in them, a job that is killed with SIGKILL and started again, a repair of what the faults did, and the proof: the state is that of a job over the true orders that was
// never interrupted.
//
// Every step is a command that the reader could have typed; it is printed before it is run, in a process of its own.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operator/admin/client.h"
#include "operator/cli/cli_private.h"

#define RECORDS_DEFAULT 300000
#define RECORDS_LEAST 1000
#define WRONG_PRICES_MAX 2000  // each is an amendment
#define POLL_NS 5000000
#define WAIT_AFTER_CHECKPOINT_NS 100000000  // long enough for commits beyond it, so that there is something to replay
#define PATIENCE_NS 60000000000LL  // until the job answers
#define ARGS_MAX 24

static const char job_text[] =
    "job: orders\n"
    "source:\n"
    "  file: {path: orders.jsonl}\n"
    "  format: json\n"
    "event:\n"
    "  time: {field: ts, format: epoch-ms}\n"
    "  fields: {customer: string, country: string, quantity: int, amount: decimal(2)}\n"
    "tables:\n"
    "  customers:\n"
    "    key: customer\n"
    "    aggregates: {orders: count(), units: sum(quantity), revenue: sum(amount), biggest: max(amount)}\n"
    "  minutes:\n"
    "    key: country\n"
    "    window: {tumbling: 1m, retain: 30d}\n"
    "    aggregates: {orders: count(), revenue: sum(amount)}\n"
    "invariants:\n"
    "  - {table: customers, check: biggest < 210}      # no article costs more\n"
    "sinks:\n"
    "  - {table: customers, file: {path: customers.jsonl}}\n"
    "  - {table: minutes, file: {path: minutes.jsonl}, emit: close}\n"
    "state: {path: rewind-data, memory: 256MiB}\n"
    "checkpoints: {every: 500ms}\n"
    "errors: {dead_letter: {file: {path: dead-letters.jsonl}}}\n"
    "http: {listen: \"off\"}\n";

typedef struct demo {
    rwd_cli *cli;
    rwd_io *io;
    char folder[RWD_PATH_MAX];
    char **environment;  // without REWIND_*: the demonstration is the same everywhere
} demo;

static bool say(demo *d, rwd_error *err, const char *format, ...) RWD_PRINTF(3, 4);
static bool say(demo *d, rwd_error *err, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    rwd_buf_append_str(&d->cli->out, text);
    rwd_buf_append_char(&d->cli->out, '\n');
    return rwd_cli_flush(d->cli, err);
}

// ---- commands in processes of their own

static bool start(demo *d, const char *where, const char *const args[], bool behind, pid_t *out_pid, rwd_error *err) {
    char folder[RWD_PATH_MAX];
    char *argv[ARGS_MAX + 2] = {(char *)(uintptr_t) "rewind"};
    rwd_buf shown = {0};
    for (size_t i = 0; args[i] && i < ARGS_MAX; i++) {
        argv[i + 1] = (char *)(uintptr_t)args[i];
        rwd_buf_appendf(&shown, strchr(args[i], ' ') ? " \"%s\"" : " %s", args[i]);  // as a shell takes it
    }
    bool worked = rwd_path_join(folder, d->folder, where, err) && say(d, err, behind ? "%s$ rewind%s &\n" : "%s$ rewind%s", where, rwd_buf_cstr(&shown));
    rwd_buf_deinit(&shown);
    if (!worked) return false;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int why = posix_spawn_file_actions_addchdir_np(&actions, folder);
    if (why == 0) why = posix_spawn(out_pid, "/proc/self/exe", &actions, &attributes, argv, d->environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return why == 0 || rwd_fail_errno(err, why, "cannot start rewind");
}

// The exit code, or 128 + the signal that ended it.
static bool wait_for(pid_t pid, int *out_code, rwd_error *err) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return rwd_fail_errno(err, errno, "cannot wait for rewind");
    *out_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

static bool command(demo *d, const char *where, const char *const args[], int expected, rwd_error *err) {
    pid_t pid;
    int code;
    if (!start(d, where, args, false, &pid, err) || !wait_for(pid, &code, err)) return false;
    if (code == expected) return say(d, err, "%s", "");
    rwd_fail(err, RWD_E_INTERNAL, "the command ended with exit code %d, not %d", code, expected);
    return rwd_error_next(err, "rewind demo --keep-files");
}

// ---- the newest checkpoint of a run

static bool newest(demo *d, const char *run, rwd_checkpoint *out, bool *out_found, rwd_error *err) {
    char data[RWD_PATH_MAX + 64];
    rwd_repo *repo;
    *out_found = false;
    (void)snprintf(data, sizeof(data), "%s/%s/rewind-data/orders/0", d->folder, run);
    if (!rwd_path_exists(data)) return true;
    rwd_error ignored;
    // A folder that is being made is not readable yet.
    if (!rwd_repo_open_reader(data, d->io, d->cli->clock, &repo, &ignored)) return true;
    *out_found = rwd_repo_find(repo, "latest", out, &ignored);
    rwd_repo_close(repo);
    (void)err;
    return true;
}

// Waits until a checkpoint stands at or above `offset`. `out_ended`: the job ended by itself.
static bool wait_for_offset(demo *d, pid_t pid, int64_t offset, bool *out_ended, rwd_error *err) {
    for (;;) {
        rwd_checkpoint checkpoint;
        bool found;
        siginfo_t info = {0};
        if (!newest(d, "shop", &checkpoint, &found, err)) return false;
        bool reached = found && checkpoint.facts.next_offset >= offset;
        if (found) rwd_checkpoint_deinit(&checkpoint);
        *out_ended = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
        if (reached || *out_ended) return true;
        d->cli->clock->sleep_ns(d->cli->clock, POLL_NS);
    }
}

// ---- the story

static bool make_files(demo *d, uint64_t records, rwd_error *err) {
    char path[RWD_PATH_MAX], count[24], seed[24], inject[160];
    (void)snprintf(count, sizeof(count), "%" PRIu64, records);
    (void)snprintf(seed, sizeof(seed), "%" PRIu64, rwd_count_of(d->cli->in, RWD_FLAG_ID_SEED, 1));
    uint64_t wrong = records / 150 < WRONG_PRICES_MAX ? records / 150 : WRONG_PRICES_MAX;
    (void)snprintf(inject, sizeof(inject), "lost=100,gap=3,duplicated=100,late=30,malformed=100,price=%" PRIu64 "..%" PRIu64, records / 3 * 2, records / 3 * 2 + wrong);
    const char *generate[] = {"generate", "orders", "--records", count, "--keys", "20000", "--seed", seed, "--inject", inject,
                              "--faults", "shop/faults.jsonl", "--amendments", "shop/amendments.jsonl", "--truth", "truth/orders.jsonl", "-f", "shop/orders.jsonl", NULL};
    if (!rwd_path_join(path, d->folder, "orders.yaml", err) || !rwd_io_write_file(d->io, path, rwd_slice_str(job_text), err)) return false;
    if (!rwd_path_join(path, d->folder, "shop", err) || !rwd_mkdirs(path, err)) return false;
    if (!rwd_path_join(path, d->folder, "truth", err) || !rwd_mkdirs(path, err)) return false;
    return say(d, err, "1. A job, and %" PRIu64 " orders in which things went wrong: lost, twice, late, malformed, and for a while with ten times the price.\n\n.$ cat orders.yaml\n%s", records,
               job_text) &&
           command(d, ".", generate, RWD_EXIT_OK, err);
}

// It follows its input, so that it cannot be done before it is killed, however fast the machine.
static bool kill_in_the_middle(demo *d, uint64_t records, rwd_error *err) {
    static const char *const run[] = {"run", "../orders.yaml", "--set", "source.file.follow=true", "--log-level", "error", NULL};
    pid_t pid;
    int code;
    bool ended = false;
    if (!say(d, err, "2. The job runs, and is killed in the middle.\n") || !start(d, "shop", run, true, &pid, err)) return false;
    bool worked = wait_for_offset(d, pid, (int64_t)(records / 3), &ended, err);
    if (worked && !ended) {
        d->cli->clock->sleep_ns(d->cli->clock, WAIT_AFTER_CHECKPOINT_NS);
        worked = say(d, err, "shop$ kill -9 %d\n", (int)pid);
    }
    (void)kill(pid, SIGKILL);
    if (!wait_for(pid, &code, err)) return false;
    if (worked && code != 128 + SIGKILL) return rwd_fail(err, RWD_E_INTERNAL, "the job ended by itself with exit code %d", code);
    return worked;
}

static bool go_on(demo *d, rwd_error *err) {
    static const char *const list[] = {"checkpoint", "list", "../orders.yaml", NULL};
    static const char *const run[] = {"run", "../orders.yaml", NULL};
    return say(d, err, "3. What is left are checkpoints. It starts again: back to the last good one, silent replay to the committed offset, and on.\n") &&
           command(d, "shop", list, RWD_EXIT_OK, err) && command(d, "shop", run, RWD_EXIT_OK, err);
}

// Until it answers: it makes a checkpoint for us.
static bool wait_until_running(demo *d, rwd_error *err) {
    char data[RWD_PATH_MAX + 64];
    rwd_buf answer = {0};
    (void)snprintf(data, sizeof(data), "%s/shop/rewind-data/orders/0", d->folder);
    for (int64_t waited = 0; waited < PATIENCE_NS; waited += POLL_NS) {
        rwd_admin_call call = {.command = "checkpoint-create"};
        bool answers = rwd_admin_ask(data, &call, 0, &answer, err);
        rwd_buf_deinit(&answer);
        if (answers) return true;
        d->cli->clock->sleep_ns(d->cli->clock, POLL_NS);
    }
    return false;
}

static bool look_and_repair(demo *d, rwd_error *err) {
    static const char *const status[] = {"status", "../orders.yaml", NULL};
    static const char *const bisect[] = {"bisect", "../orders.yaml", "--table", "customers", "--check", "biggest < 210", NULL};
    static const char *const plan[] = {"repair", "plan", "../orders.yaml", "--amend", "amendments.jsonl", "--limit", "5", NULL};
    static const char *const apply[] = {"repair", "apply", "../orders.yaml", "latest", "--reason", "orders were lost, doubled, late or wrong", "--yes", NULL};
    return say(d, err, "4. It waits for more orders. Something is wrong: an invariant says so, and bisect finds the first order that broke it.\n") &&
           command(d, "shop", status, RWD_EXIT_OK, err) &&
           command(d, "shop", bisect, RWD_EXIT_DIFFERENT, err) &&
           say(d, err, "5. Beside it a second state is built, as it would be without the faults: what would change of the outputs?\n") && command(d, "shop", plan, RWD_EXIT_OK, err) &&
           say(d, err, "6. Only the corrections are published, all of them or none; rewind repair undo would take them back.\n") &&
           command(d, "shop", apply, RWD_EXIT_OK, err);
}

static bool repair(demo *d, rwd_error *err) {
    static const char *const run[] = {"run", "../orders.yaml", "--set", "source.file.follow=true", "--log-level", "error", NULL};
    pid_t pid;
    int code;
    if (!start(d, "shop", run, true, &pid, err)) return false;
    bool worked = wait_until_running(d, err) && look_and_repair(d, err) && say(d, err, "shop$ kill %d\n", (int)pid);
    (void)kill(pid, worked ? SIGTERM : SIGKILL);
    if (!wait_for(pid, &code, worked ? err : NULL) || !worked) return false;
    return code == RWD_EXIT_OK ? say(d, err, "%s", "") : rwd_fail(err, RWD_E_INTERNAL, "the job ended with exit code %d", code);
}

static bool run_truth(demo *d, rwd_error *err) {
    static const char *const run[] = {"run", "../orders.yaml", "--log-level", "error", NULL};
    static const char *const check[] = {"checkpoint", "check", "../orders.yaml", "--scan", NULL};
    return say(d, err, "7. The same job over the true orders, never interrupted.\n") && command(d, "truth", run, RWD_EXIT_OK, err) &&
           say(d, err, "8. Is the repaired state what its digest says, row by row?\n") && command(d, "shop", check, RWD_EXIT_OK, err);
}

static bool compare(demo *d, rwd_error *err) {
    static const char *const diff[] = {"diff", "shop/rewind-data/orders/0", "truth/rewind-data/orders/0", NULL};
    rwd_checkpoint repaired, truth;
    bool found_repaired, found_truth, same = false;
    if (!newest(d, "shop", &repaired, &found_repaired, err) || !newest(d, "truth", &truth, &found_truth, err)) return false;
    char hex[2][RWD_HASH128_HEX] = {"none", "none"};
    if (found_repaired) rwd_hash128_hex(repaired.digest, hex[0]);
    if (found_truth) rwd_hash128_hex(truth.digest, hex[1]);
    if (found_repaired && found_truth) same = rwd_hash128_equal(repaired.digest, truth.digest);
    if (found_repaired) rwd_checkpoint_deinit(&repaired);
    if (found_truth) rwd_checkpoint_deinit(&truth);
    if (!say(d, err, "9. Compared.\n") || !command(d, ".", diff, same ? RWD_EXIT_OK : RWD_EXIT_DIFFERENT, err)) return false;
    if (!same) d->cli->exit_code = RWD_EXIT_DIFFERENT;
    return say(d, err, "  digest of the killed and repaired run  %s\n  digest of the run over the truth       %s\n\n%s", hex[0], hex[1],
               same ? "Equal: neither the kill nor the faults left a trace." : "DIFFERENT: this is a bug.");
}

static bool tell(demo *d, uint64_t records, rwd_error *err) {
    return make_files(d, records, err) && kill_in_the_middle(d, records, err) && go_on(d, err) && repair(d, err) && run_truth(d, err) && compare(d, err);
}

static char **quiet_environment(void) {
    size_t count = 0, kept = 0;
    while (environ[count]) count++;
    char **out = rwd_calloc(count + 1, sizeof(*out));
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "REWIND_", strlen("REWIND_")) != 0) out[kept++] = environ[i];
    return out;
}

bool rwd_run_demo(rwd_cli *cli, rwd_error *err) {
    demo d = {.cli = cli};
    uint64_t records = rwd_count_of(cli->in, RWD_FLAG_ID_RECORDS, RECORDS_DEFAULT);
    if (records < RECORDS_LEAST) return rwd_fail(err, RWD_E_USAGE, "--records: the demonstration needs at least %d", RECORDS_LEAST);
    const char *temporary = getenv("TMPDIR");
    (void)snprintf(d.folder, sizeof(d.folder), "%.3000s/rewind-demo-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(d.folder)) return rwd_fail_errno(err, errno, "cannot make the folder %s", d.folder);
    bool worked = rwd_io_pread_new(&d.io, err);
    d.environment = quiet_environment();
    worked = worked && say(&d, err, "In %s (removed at the end; --keep-files keeps it)\n", d.folder) && tell(&d, records, err);
    rwd_error ignored;
    if (!rwd_given(cli->in, RWD_FLAG_ID_KEEP_FILES) && !rwd_remove_tree(d.folder, &ignored)) rwd_error_clear(&ignored);
    free(d.environment);
    rwd_io_free(d.io);
    return worked;
}
