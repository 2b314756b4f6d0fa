// doctor: what would go wrong on this machine, found before it does.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "checkpoints/io/probe.h"
#include "operator/admin/client.h"
#include "operator/base/version.h"
#include "operator/cli/cli_private.h"
#include "operator/http/http.h"

#define FREE_FAIL ((uint64_t)64 << 20)
#define FREE_WARN ((uint64_t)1 << 30)
#define FILES_WARN 1024
#define PROBE_BYTES 4096

typedef enum verdict { GOOD, NOTE, WARNING, FAILED } verdict;
static const char *const verdict_names[] = {"ok", "note", "warning", "FAILED"};

typedef struct doctor {
    rwd_cli *cli;
    rwd_place place;
    rwd_json_out json;
    char folder[RWD_PATH_MAX];  // the data directory, or the nearest folder above it that exists
    bool failed;
} doctor;

static RWD_PRINTF(4, 5) void say(doctor *d, verdict v, const char *check, const char *format, ...) {
    char words[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    d->failed |= v == FAILED;
    if (d->cli->json) {
        rwd_json_object(&d->json);
        rwd_json_key(&d->json, "check");
        rwd_json_string(&d->json, check);
        rwd_json_key(&d->json, "verdict");
        rwd_json_string(&d->json, v == FAILED ? "failed" : verdict_names[v]);
        rwd_json_key(&d->json, "detail");
        rwd_json_string(&d->json, words);
        rwd_json_object_end(&d->json);
    } else {
        rwd_buf_appendf(&d->cli->out, "%-8s  %-14s %s\n", verdict_names[v], check, words);
    }
}

static void say_error(doctor *d, const char *check, const rwd_error *err) {
    char text[2048];
    rwd_error_format(err, text, sizeof(text));
    say(d, FAILED, check, "%s", text);
}

// ---- what is linked

static int add_library(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    rwd_buf *out = context;
    char resolved[RWD_PATH_MAX];
    static const char *const ours[] = {"librocksdb", "librdkafka", "libprotobuf-c", "libsimdjson", "libyaml", "libmicrohttpd", "libjemalloc", "liburing", "libxxhash", "liblz4", "libzstd"};
    const char *name = rwd_path_name(info->dlpi_name);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strncmp(name, ours[i], strlen(ours[i])) != 0) continue;
        // The file behind the link carries the whole version.
        const char *file = realpath(info->dlpi_name, resolved) ? rwd_path_name(resolved) : name;
        rwd_buf_appendf(out, "%s%s", out->size ? ", " : "", file);
    }
    return 0;
}

static void check_build(doctor *d) {
    rwd_buf libraries = {0};
    struct utsname kernel;
    (void)dl_iterate_phdr(add_library, &libraries);
    say(d, GOOD, "build", "rewind %s, libmicrohttpd %s", rwd_version_text(), rwd_http_version());
    say(d, GOOD, "libraries", "%s", rwd_buf_cstr(&libraries));
    if (uname(&kernel) == 0) say(d, GOOD, "kernel", "%s %s %s", kernel.sysname, kernel.release, kernel.machine);
    rwd_buf_deinit(&libraries);
}

// ---- the folder

static void find_folder(doctor *d) {
    char path[RWD_PATH_MAX];
    memcpy(path, d->place.data, sizeof(path));
    while (!rwd_path_exists(path) && strcmp(path, ".") != 0 && strcmp(path, "/") != 0) {
        char up[RWD_PATH_MAX];
        rwd_path_dir(up, path);
        memcpy(path, up, sizeof(path));
    }
    memcpy(d->folder, path, sizeof(path));
}

static void check_folder(doctor *d) {
    struct stat st;
    bool exists = strcmp(d->folder, d->place.data) == 0;
    if (stat(d->folder, &st) != 0 || !S_ISDIR(st.st_mode)) {
        say(d, FAILED, "data", "%s is no folder", d->folder);
        return;
    }
    const char *network = rwd_network_fs(d->folder);
    if (exists && (st.st_mode & 077)) say(d, WARNING, "data", "%s may be read by others (mode %03o): chmod 700", d->folder, (unsigned)st.st_mode & 0777);
    else say(d, GOOD, "data", exists ? "%s" : "not made yet; it would be made in %s", d->folder);
    if (network) say(d, FAILED, "file system", "%s: locks and fsync of a network file system are not to be trusted", network);
    else say(d, GOOD, "file system", "local");
    uint64_t bytes;
    rwd_error err;
    char text[RWD_TIME_TEXT_MAX];
    if (!rwd_disk_free(d->folder, &bytes, &err)) {
        say_error(d, "disk", &err);
        return;
    }
    rwd_size_text(bytes, text);
    say(d, bytes < FREE_FAIL ? FAILED : bytes < FREE_WARN ? WARNING : GOOD, "disk", "%s free", text);
}

// Real operations, of the kinds that checkpoints and commits are made of, through the same tier.
static bool probe_files(rwd_io *io, const char *file, const char *second, rwd_error *err) {
    uint8_t wrote[PROBE_BYTES], got[PROBE_BYTES];
    size_t size = 0;
    int fd;
    memset(wrote, 0x5A, sizeof(wrote));
    if (!rwd_io_open(io, file, O_RDWR | O_CREAT | O_EXCL, 0600, &fd, err)) return false;
    bool worked = rwd_io_write(io, fd, file, wrote, sizeof(wrote), 0, err) && rwd_io_fdatasync(io, fd, file, err) && rwd_io_fsync(io, fd, file, err) &&
                  rwd_io_read(io, fd, file, got, sizeof(got), 0, &size, err);
    if (worked && (size != sizeof(got) || memcmp(wrote, got, sizeof(got)) != 0))
        worked = rwd_fail(err, RWD_E_CORRUPT, "what was read is not what was written");
    if (worked && flock(fd, LOCK_EX | LOCK_NB) != 0) worked = rwd_fail_errno(err, errno, "cannot lock a file");
    rwd_io_close(io, fd);
    return worked && rwd_io_link(io, file, second, err) && rwd_io_unlink(io, file, err) && rwd_io_rename(io, second, file, err);
}

static void check_io(doctor *d) {
    char folder[RWD_PATH_MAX], file[RWD_PATH_MAX], second[RWD_PATH_MAX];
    rwd_error err;
    rwd_io *io;
    rwd_io_probe probe;
    if (!rwd_io_new(d->folder, rwd_cli_io_tier(d->cli, d->place.job), &io, &probe, &err)) {
        say_error(d, "io", &err);
        return;
    }
    rwd_buf tier = {0};
    rwd_io_probe_text(&probe, &tier);
    int64_t began_ns = rwd_clock_ns(d->cli->clock);
    if (snprintf(folder, sizeof(folder), "%.4000s/.rewind-doctor-XXXXXX", d->folder) < 0 || !mkdtemp(folder)) {
        rwd_fail_errno(&err, errno, "cannot make a folder in %s", d->folder);
        say_error(d, "io", &err);
        rwd_buf_deinit(&tier);
        rwd_io_free(io);
        return;
    }
    bool worked = rwd_path_join(file, folder, "a", &err) && rwd_path_join(second, folder, "b", &err) && probe_files(io, file, second, &err) &&
                  rwd_io_sync_dir(io, folder, &err);
    rwd_error ignored;
    if (!rwd_remove_tree(folder, &ignored)) rwd_error_clear(&ignored);
    if (!worked) say_error(d, "io", &err);
    else
        say(d, probe.tier < RWD_IO_TIER_COUNT - 1 && !probe.forced ? NOTE : GOOD, "io",
            "tier %s; write, fsync, read, lock, hard link and rename work (%.1f ms in all)", rwd_buf_cstr(&tier), (double)(rwd_clock_ns(d->cli->clock) - began_ns) / 1e6);
    rwd_buf_deinit(&tier);
    rwd_io_free(io);
}

// ---- limits and memory

static void limit_text(rlim_t value, char *out, size_t capacity) {
    if (value == RLIM_INFINITY) (void)snprintf(out, capacity, "unlimited");
    else (void)snprintf(out, capacity, "%llu", (unsigned long long)value);
}

static void check_limits(doctor *d) {
    struct rlimit files, locked;
    char soft[32], hard[32];
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        limit_text(files.rlim_cur, soft, sizeof(soft));
        limit_text(files.rlim_max, hard, sizeof(hard));
        bool raisable = files.rlim_cur != files.rlim_max;
        say(d, files.rlim_cur < FILES_WARN ? WARNING : GOOD, "open files", raisable ? "at most %s (could be raised to %s with ulimit -n)" : "at most %s", soft, hard);
    }
    if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0) {
        limit_text(locked.rlim_cur, soft, sizeof(soft));
        say(d, GOOD, "locked memory", "at most %s bytes", soft);
    }
}

// The number in a small file of the kernel, or 0 ("max" and absence are no limit).
static uint64_t number_in(const char *path) {
    rwd_buf text = {0};
    rwd_error ignored;
    uint64_t value = 0;
    if (rwd_read_file(path, 4096, &text, &ignored)) value = strtoull(rwd_buf_cstr(&text), NULL, 10);
    rwd_buf_deinit(&text);
    return value;
}

static void check_memory(doctor *d) {
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE), limit = number_in("/sys/fs/cgroup/memory.max");
    uint64_t have = limit && limit < all ? limit : all;
    char text[RWD_TIME_TEXT_MAX], wanted[RWD_TIME_TEXT_MAX];
    rwd_size_text(have, text);
    if (d->place.job) {
        rwd_size_text(d->place.job->state.memory, wanted);
        say(d, d->place.job->state.memory > have / 10 * 9 ? FAILED : GOOD, "memory", "%s here%s, state.memory asks for %s", text, have == limit ? " (cgroup)" : "", wanted);
    } else {
        say(d, GOOD, "memory", "%s%s", text, have == limit ? " (cgroup)" : "");
    }
    rwd_buf pages = {0};
    rwd_error ignored;
    if (rwd_read_file("/sys/kernel/mm/transparent_hugepage/enabled", 4096, &pages, &ignored)) {
        const char *words = rwd_buf_cstr(&pages);
        say(d, strstr(words, "[always]") ? NOTE : GOOD, "huge pages", "%.*s%s", (int)strcspn(words, "\n"), words,
            strstr(words, "[always]") ? ": resident memory may exceed state.memory by half-used huge pages; madvise is better" : "");
    }
    rwd_buf_deinit(&pages);
}

// ---- the job

static void check_job(doctor *d) {
    const rwd_job *job = d->place.job;
    if (!job) return;
    say(d, GOOD, "job file", "%s: job '%s'", job->file, job->name);
    if (job->source.topic) say(d, NOTE, "source", "%s/%u at %s is not looked at", job->source.topic, job->source.partition, job->kafka.brokers);
    else if (access(job->source.path, R_OK) == 0) say(d, GOOD, "source", "%s can be read", job->source.path);
    else say(d, FAILED, "source", "%s cannot be read: %s", job->source.path, strerror(errno));
    for (size_t i = 0; i < job->sink_count; i++) {
        char dir[RWD_PATH_MAX];
        if (job->sinks[i].topic) continue;
        rwd_path_dir(dir, job->sinks[i].path);
        if (access(dir, W_OK) == 0) say(d, GOOD, "output", "%s can be written", job->sinks[i].path);
        else if (errno == ENOENT) say(d, NOTE, "output", "%s: its folder will be made", job->sinks[i].path);
        else say(d, FAILED, "output", "%s cannot be written: %s", job->sinks[i].path, strerror(errno));
    }
}

static void check_repository(doctor *d) {
    rwd_error err;
    rwd_checkpoint newest;
    if (strcmp(d->folder, d->place.data) != 0) return;
    char lock[RWD_PATH_MAX];
    if (!rwd_path_join(lock, d->place.data, "LOCK", &err) || !rwd_path_exists(lock)) return;
    bool running = rwd_admin_is_running(d->place.data);
    say(d, GOOD, "operator", running ? "running" : "not running");
    if (!rwd_place_open_reader(d->cli, &d->place, &err)) say_error(d, "repository", &err);
    else if (!rwd_repo_find(d->place.repo, "latest", &newest, &err)) say(d, running ? NOTE : WARNING, "repository", "%s", err.cause);
    else {
        say(d, GOOD, "repository", "newest checkpoint %s at offset %" PRId64, newest.id, newest.facts.next_offset);
        rwd_checkpoint_deinit(&newest);
    }
}

bool rwd_run_doctor(rwd_cli *cli, rwd_error *err) {
    doctor *d = rwd_calloc(1, sizeof(*d));
    d->cli = cli;
    bool named = cli->in->job || rwd_given(cli->in, RWD_FLAG_ID_DATA);
    if (named && !rwd_place_find(cli, &d->place, err)) {
        free(d);
        return false;
    }
    if (!named) memcpy(d->place.data, ".", 2);
    if (cli->json) {
        rwd_json_init(&d->json, &cli->out, true);
        rwd_json_array(&d->json);
    }
    find_folder(d);
    check_build(d);
    check_job(d);
    check_folder(d);
    check_io(d);
    check_limits(d);
    check_memory(d);
    if (named) check_repository(d);
    if (cli->json) {
        rwd_json_array_end(&d->json);
        rwd_buf_append_char(&cli->out, '\n');
    }
    if (d->failed) cli->exit_code = RWD_EXIT_DIFFERENT;
    rwd_place_deinit(&d->place);
    free(d);
    return true;
}
