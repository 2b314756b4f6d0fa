// The file sink against a model: whatever fails, whenever the power goes, wherever the process is killed,
//   - C is never below a commit that was known, and never one that was not begun;
//   - the outputs hold exactly the bytes of the commits up to C;
//   - no damage is reported where there was none.
// The model knows the bytes of every commit, made here by printf.
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "checkpoints/io/fake_disk.h"
#include "operator/base/crash_point.h"
#include "tests/support/random.h"
#include "tests/support/sink_job.h"

#define LAST 5         // commits are 0 (genesis) .. LAST
#define LARGE_AT 3     // this one has a dead letter that is written ahead
#define LARGE_SIZE 200001
#define LINEAGE "0000000000000000000000000000beef"

// What is known from outside: survives the process.
typedef struct tally {
    int64_t known;    // the highest commit that anybody was told of; -1: none
    int64_t started;  // the highest commit that was begun
} tally;

typedef struct world {
    sink_job j;
    rwd_fake_disk *disk;
    tally t;
} world;

// ---- the model

static void model_update(rwd_buf *out, int64_t k) {
    for (int64_t i = 0; i < k % 3 + 1; i++)
        rwd_buf_appendf(out, "{\"customer\":\"c%d\",\"orders\":%d,\"revenue\":0.%02d,\"last\":null,\"_offset\":%d,\"_lineage\":\"" LINEAGE "\"}\n", (int)(9 - i),
                        (int)k, (int)i, (int)(k * 10 + i));
}

static void model_commit(rwd_buf *out, int64_t k) {
    if (k == 0) rwd_buf_append_str(out, "customer,orders,revenue,last,_offset,_lineage,deleted\n");
    for (int64_t i = k % 3; i >= 0; i--)
        rwd_buf_appendf(out, "c%d,%d,0.%02d,,%d," LINEAGE ",false\n", (int)(9 - i), (int)k, (int)i, (int)(k * 10 + i));
}

static void model_dead(rwd_buf *out, int64_t k) {
    if (k % 2 == 0) return;
    bool large = k == LARGE_AT;
    rwd_buf_appendf(out, "{\"source\":\"orders.csv\",\"offset\":%d,\"position\":%d,\"time\":null,\"reason\":\"missing-field\",\"field\":\"amount\","
                    "\"message\":\"field 'amount': absent\",\"size\":%d,", (int)k, (int)k * 10, large ? LARGE_SIZE : 3);
    if (!large) rwd_buf_append_str(out, "\"text\":\"xxx\",");
    rwd_buf_append_str(out, "\"value\":\"");
    for (int i = 0; i < (large ? LARGE_SIZE : 3); i += 3) rwd_buf_append_str(out, "eHh4");
    rwd_buf_append_str(out, "\"}\n");
}

static void assert_lawful(const rwd_error *err) {
    if (err->code == RWD_E_IO || err->code == RWD_E_DISK_FULL || err->code == RWD_E_SYNC_FAILED) return;
    char text[2048];
    rwd_error_format(err, text, sizeof(text));
    fail_msg("false alarm: %s: %s", rwd_code_name(err->code), text);
}

// The same, put. Dead letters that are written ahead may meet the fault.
static void put_commit(rwd_sink *sink, const sink_job *j, int64_t k) {
    char name[16];
    rwd_error err;
    for (int64_t i = 0; i < k % 3 + 1; i++) {
        (void)snprintf(name, sizeof(name), "c%d", (int)(9 - i));
        sink_put(sink, j, 0, name, k, i, k * 10 + i);
        sink_put(sink, j, 1, name, k + 100, 7, k);  // an older value of the same key: not the newest
        sink_put(sink, j, 1, name, k, i, k * 10 + i);
    }
    char *value = rwd_malloc(LARGE_SIZE);
    memset(value, 'x', LARGE_SIZE);
    rwd_dead_letter letter = sink_dead_letter(k, rwd_slice_of(value, k == LARGE_AT ? LARGE_SIZE : 3));
    if (k % 2 == 1 && !sink->ops->put_dead_letter(sink, &letter, &err)) assert_lawful(&err);
    free(value);
}

// What each output holds at each C, made once.
static rwd_buf expected[3][LAST + 2];

static int make_expected(void **state) {
    (void)state;
    void (*const models[])(rwd_buf *, int64_t) = {model_update, model_commit, model_dead};
    for (size_t o = 0; o < 3; o++) {
        for (int64_t c = 0; c <= LAST; c++) {
            rwd_buf_append_slice(&expected[o][c + 1], rwd_buf_slice(&expected[o][c]));
            models[o](&expected[o][c + 1], c);
        }
    }
    return 0;
}

static int free_expected(void **state) {
    (void)state;
    for (size_t i = 0; i < 3 * (LAST + 2); i++) rwd_buf_deinit(&expected[i / (LAST + 2)][i % (LAST + 2)]);
    return 0;
}

static void assert_outputs(const sink_job *j, int64_t c) {
    const char *const paths[] = {j->sinks[0].path, j->sinks[1].path, j->job.dead_letter_path};
    for (size_t o = 0; o < 3; o++) {
        rwd_buf bytes = {0};
        rwd_error err;
        const rwd_buf *wanted = &expected[o][c + 1];
        OK(rwd_read_file(paths[o], (size_t)1 << 30, &bytes, &err));
        if (!rwd_slice_equal(rwd_buf_slice(&bytes), rwd_buf_slice(wanted)))
            fail_msg("%s at C=%lld: %zu bytes instead of %zu, or other ones:\n%.300s", paths[o], (long long)c, bytes.size, wanted->size,
                     rwd_buf_cstr(&bytes));
        rwd_buf_deinit(&bytes);
    }
}

// ---- lives

// Recovers and checks what is there; -2 where a fault prevents it.
static int64_t recover(rwd_sink *sink, const sink_job *j, tally *t) {
    rwd_error err;
    rwd_commit commit;
    bool found;
    if (!sink->ops->recover(sink, &commit, &found, &err)) {
        assert_lawful(&err);
        return -2;
    }
    int64_t c = found ? commit.next_offset : -1;
    if (c < t->known) fail_msg("C moved back to %lld, %lld was known", (long long)c, (long long)t->known);
    if (c > t->started) fail_msg("C is %lld, %lld was never begun", (long long)c, (long long)c);
    assert_outputs(j, c);
    t->known = t->started = c;  // what was begun above it is gone for good
    return c;
}

// One transaction. False where it did not work.
static bool commit_one(rwd_sink *sink, const sink_job *j, tally *t, int64_t k) {
    rwd_error err;
    sink->ops->begin(sink);
    put_commit(sink, j, k);
    t->started = k > t->started ? k : t->started;
    switch (sink_commit(sink, k, &err)) {
    case RWD_COMMIT_COMMITTED: t->known = k; return true;
    case RWD_COMMIT_ABORTED:
    case RWD_COMMIT_UNKNOWN: assert_lawful(&err); return false;
    default: fail_msg("no such outcome here");
    }
    return false;
}

static rwd_sink *open_sink(sink_job *j, rwd_io *io) {
    rwd_error err;
    rwd_sink *sink = NULL;
    OK(rwd_file_sink_open(&j->job, io, rwd_clock_system(), &j->budget, &sink, &err));
    rwd_file_sink_set_lineage(sink, (rwd_hash128){0xbeef, 0});
    return sink;
}

// One life of a process: recovers, commits up to `until`, recovers again after a failure. Returns the operations that it took.
static uint64_t live(sink_job *j, tally *t, rwd_io *io, int64_t until, unsigned recoveries) {
    rwd_sink *sink = open_sink(j, io);
    for (unsigned i = 0; i < recoveries; i++) {
        int64_t c = recover(sink, j, t);
        if (c == -2) continue;
        while (c < until && commit_one(sink, j, t, c + 1)) c++;
        if (c < until) continue;
        sink->ops->begin(sink);
        put_commit(sink, j, LARGE_AT);  // an open transaction, with bytes written ahead, that never ends
        break;
    }
    uint64_t count = rwd_io_fault_count(io);
    sink->ops->close(sink);
    return count;
}

static rwd_io *fault_io(const rwd_io_fault_plan *plan) {
    rwd_error err;
    rwd_io *inner, *io;
    OK(rwd_io_pread_new(&inner, &err));
    OK(rwd_io_fault_new(inner, plan, &io, &err));
    return io;
}

static rwd_io *good_io(rwd_fake_disk *disk) { return fault_io(&(rwd_io_fault_plan){.disk = disk}); }

static void world_init(world *w) {
    rwd_error err;
    *w = (world){.t = {-1, -1}};
    sink_job_init(&w->j);
    sink_job_add(&w->j, "new/update.jsonl", RWD_FORMAT_JSON, RWD_EMIT_UPDATE);
    sink_job_add(&w->j, "new/below/commit.csv", RWD_FORMAT_CSV, RWD_EMIT_COMMIT);
    sink_job_dead_letters(&w->j, "new/dead.jsonl");  // all in one new folder: nothing else makes it durable
    OK(rwd_fake_disk_new(w->j.dir, &w->disk, &err));
}

// A predecessor has committed 0, 1, 2 and left torn ends behind in all files.
static void world_init_used(world *w) {
    rwd_error err;
    world_init(w);
    (void)live(&w->j, &w->t, good_io(w->disk), 2, 1);
    char *log = sink_job_path(&w->j, "new/update.jsonl.commits");
    const char *const paths[] = {w->j.sinks[0].path, w->j.sinks[1].path, w->j.job.dead_letter_path, log};
    for (size_t i = 0; i < 4; i++) file_write(paths[i], "RWCE\1\0\0\0torn", 12, true);
    free(log);
    OK(rwd_fake_disk_power_loss(w->disk, 1, &err));
}

static void world_deinit(world *w) {
    rwd_fake_disk_free(w->disk);
    sink_job_deinit(&w->j);
}

static void power_loss(world *w, uint64_t seed) {
    rwd_error err;
    OK(rwd_fake_disk_power_loss(w->disk, seed, &err));
}

// All is well again: everything is committed, and what recovery said survives one more power loss.
static void finish(world *w) {
    int64_t before = w->t.known;
    (void)live(&w->j, &w->t, good_io(w->disk), before, 1);
    power_loss(w, 0);
    (void)live(&w->j, &w->t, good_io(w->disk), LAST, 1);
    assert_int_equal(w->t.known, LAST);
    power_loss(w, 0);
    (void)live(&w->j, &w->t, good_io(w->disk), LAST, 1);
    assert_int_equal(w->t.known, LAST);
}

static void (*const beginnings[])(world *) = {world_init, world_init_used};

// ---- one thing goes wrong, at every place

static void every_operation_may_fail_once_and_a_power_loss_may_follow(void **state) {
    (void)state;
    const int errors[] = {EIO, ENOSPC};
    for (size_t b = 0; b < 2; b++) {
        for (size_t e = 0; e < 2; e++) {
            for (unsigned after = 0; after < 3; after++) {  // nothing; the strictest power loss; another one
                uint64_t count = 1, n = 1;
                for (; n <= count; n++) {
                    world w;
                    beginnings[b](&w);
                    rwd_io_fault_plan plan = {.seed = n, .disk = w.disk, .fail_at = n, .error = errors[e], .short_percent = 30};
                    uint64_t took = live(&w.j, &w.t, fault_io(&plan), LAST, 3);
                    count = took >= n ? n + 1 : n;  // on, as long as there was an n-th operation
                    if (after > 0) power_loss(&w, after == 1 ? 0 : n);
                    finish(&w);
                    world_deinit(&w);
                }
                assert_in_range(n, 40, 1000);
            }
        }
    }
}

static void the_disk_may_stay_full_or_broken_from_any_operation_on(void **state) {
    (void)state;
    const int errors[] = {EIO, ENOSPC};
    for (size_t b = 0; b < 2; b++) {
        for (size_t e = 0; e < 2; e++) {
            for (uint64_t n = 1; n <= 60; n++) {
                world w;
                beginnings[b](&w);
                rwd_io_fault_plan plan = {.seed = n, .disk = w.disk, .fail_at = n, .error = errors[e], .fail_forever = true};
                (void)live(&w.j, &w.t, fault_io(&plan), LAST, 3);
                power_loss(&w, n % 2 == 0 ? 0 : n);
                finish(&w);
                world_deinit(&w);
            }
        }
    }
}

static void the_power_may_go_at_every_operation(void **state) {
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        for (uint64_t variant = 0; variant < 4; variant++) {
            uint64_t count = 1, n = 1;
            for (; n <= count; n++) {
                world w;
                beginnings[b](&w);
                rwd_io_fault_plan plan = {.seed = n, .disk = w.disk, .power_off_at = n};
                uint64_t took = live(&w.j, &w.t, fault_io(&plan), LAST, 1);
                count = took >= n ? n + 1 : n;  // on, as long as there was an n-th operation
                power_loss(&w, variant == 0 ? 0 : n * 4 + variant);
                finish(&w);
                world_deinit(&w);
            }
            assert_in_range(n, 40, 1000);
        }
    }
}

// ---- many things go wrong, one after the other

static rwd_io_fault_plan random_plan(test_random *r, rwd_fake_disk *disk) {
    rwd_io_fault_plan plan = {.seed = test_random_u64(r) >> 1, .disk = disk, .short_percent = (unsigned)test_random_below(r, 100)};
    uint64_t at = 1 + test_random_below(r, 90);
    switch (test_random_below(r, 4)) {
    case 0: plan.power_off_at = at; break;
    case 1: plan.fail_at = at, plan.error = EIO; break;
    case 2: plan.fail_at = at, plan.error = ENOSPC, plan.fail_forever = test_random_below(r, 2); break;
    default: break;
    }
    return plan;
}

static void random_lives_keep_to_the_model(void **state) {
    (void)state;
    test_random r = test_random_of(20260102);
    unsigned worlds = getenv("REWIND_TEST_LONG") ? 3000 : 150;
    for (unsigned i = 0; i < worlds; i++) {
        world w;
        world_init(&w);
        unsigned lives = 1 + (unsigned)test_random_below(&r, 8);
        for (unsigned l = 0; l < lives; l++) {
            rwd_io_fault_plan plan = random_plan(&r, w.disk);
            (void)live(&w.j, &w.t, fault_io(&plan), (int64_t)test_random_below(&r, LAST + 1), 1 + (unsigned)test_random_below(&r, 3));
            if (plan.power_off_at || test_random_below(&r, 3) == 0) power_loss(&w, test_random_below(&r, 4) == 0 ? 0 : test_random_u64(&r));
        }
        finish(&w);
        world_deinit(&w);
    }
}

// ---- kill -9

// Lives in a child that kills itself at the n-th passing of a place. True if it got there.
static bool killed_at(sink_job *j, tally *shared, rwd_crash_point point, unsigned n) {
    pid_t child = fork();
    if (child == 0) {
        rwd_error err;
        char spec[128];
        (void)snprintf(spec, sizeof(spec), "%s:%u", rwd_crash_point_name(point), n);
        if (!rwd_crash_points_setup(spec, &err)) _exit(3);
        (void)live(j, shared, good_io(NULL), LAST, 1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) assert_int_equal(WTERMSIG(status), SIGKILL);
    else assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status);
}

static void a_kill_at_every_named_place_loses_and_doubles_nothing(void **state) {
    (void)state;
    tally *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    unsigned places = 0;
    for (unsigned point = 0; point < RWD_CRASH_POINT_COUNT; point++) {
        const char *name = rwd_crash_point_name((rwd_crash_point)point);
        if (strncmp(name, "sink-", 5) != 0) continue;
        places++;
        unsigned kills = 0;
        for (size_t b = 0; b < 2; b++) {
            bool killed = true;
            for (unsigned n = 1; killed && n <= 8; n++) {
                world w;
                beginnings[b](&w);
                *shared = w.t;
                killed = killed_at(&w.j, shared, (rwd_crash_point)point, n);
                kills += killed;
                w.t = *shared;
                (void)live(&w.j, &w.t, good_io(NULL), LAST, 1);
                assert_int_equal(w.t.known, LAST);
                world_deinit(&w);
            }
        }
        if (kills == 0) fail_msg("%s is never reached", name);
    }
    assert_true(places >= 10);
    munmap(shared, sizeof(*shared));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_may_fail_once_and_a_power_loss_may_follow),
        cmocka_unit_test(the_disk_may_stay_full_or_broken_from_any_operation_on),
        cmocka_unit_test(the_power_may_go_at_every_operation),
        cmocka_unit_test(random_lives_keep_to_the_model),
        cmocka_unit_test(a_kill_at_every_named_place_loses_and_doubles_nothing),
    };
    return cmocka_run_group_tests(tests, make_expected, free_expected);
}
