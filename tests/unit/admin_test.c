// The admin socket: what goes in comes out, bounds hold, and nobody waits for a slow neighbour.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "operator/admin/client.h"
#include "operator/admin/server.h"
#include "operator/admin/socket.h"
#include "operator/base/fs.h"
#include "tests/unit/test.h"

// ---- a service that a test can look into

typedef struct fake {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned inside;    // commands "wait" that are running
    bool release;
    atomic_uint calls;
} fake;

static bool fake_wait(fake *f) {
    pthread_mutex_lock(&f->mutex);
    f->inside++;
    pthread_cond_broadcast(&f->changed);
    while (!f->release) pthread_cond_wait(&f->changed, &f->mutex);
    pthread_mutex_unlock(&f->mutex);
    return true;
}

static bool fake_run(void *context, const rwd_admin_call *call, rwd_buf *out, rwd_error *err) {
    fake *f = context;
    atomic_fetch_add(&f->calls, 1);
    if (strcmp(call->command, "wait") == 0) return fake_wait(f);
    if (strcmp(call->command, "large") == 0) {
        for (unsigned i = 0; i < 300000; i++) rwd_buf_appendf(out, "%u\n", i);
        return true;
    }
    if (strcmp(call->command, "fail") == 0) {
        rwd_buf_append_str(out, "half an answer");
        rwd_fail(err, RWD_E_NOT_FOUND, "no key '%s'", call->args[0]);
        rwd_error_at(err, "table t");
        return rwd_error_next(err, "look elsewhere");
    }
    rwd_buf_appendf(out, "%s json=%d", call->command, call->json);
    for (size_t i = 0; i < call->arg_count; i++) rwd_buf_appendf(out, " [%s]", call->args[i]);
    return true;
}

typedef struct setting {
    char dir[RWD_PATH_MAX];
    fake fake;
    rwd_admin *admin;
} setting;

static int begin(void **state, const char *below) {
    setting *s = rwd_calloc(1, sizeof(*s));
    rwd_error err;
    (void)snprintf(s->dir, sizeof(s->dir), "admin_test.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    if (below) {
        strncat(s->dir, below, sizeof(s->dir) - strlen(s->dir) - 1);
        assert_true(rwd_mkdirs(s->dir, &err));
    }
    pthread_mutex_init(&s->fake.mutex, NULL);
    pthread_cond_init(&s->fake.changed, NULL);
    rwd_admin_service service = {&s->fake, fake_run};
    assert_true(rwd_admin_start(s->dir, &service, &s->admin, &err));
    *state = s;
    return 0;
}

static int begin_here(void **state) { return begin(state, NULL); }

// Longer than a socket address can be.
static int begin_deep(void **state) {
    char below[400] = "";
    for (int i = 0; i < 6; i++) strncat(below, "/a-folder-with-a-name-that-is-rather-long-as-folders-go", sizeof(below) - strlen(below) - 1);
    return begin(state, below);
}

static int end(void **state) {
    setting *s = *state;
    rwd_admin_stop(s->admin);
    char root[RWD_PATH_MAX], *slash;
    memcpy(root, s->dir, sizeof(root));
    if ((slash = strchr(root, '/'))) *slash = '\0';
    assert_true(rwd_remove_tree(root, NULL));
    pthread_cond_destroy(&s->fake.changed);
    pthread_mutex_destroy(&s->fake.mutex);
    free(s);
    return 0;
}

static int connect_to(const setting *s) {
    int fd;
    rwd_error err;
    assert_true(rwd_admin_connect(s->dir, &fd, &err));
    return fd;
}

// ---- tests

static void a_command_and_its_words_arrive_as_they_were_said(void **state) {
    setting *s = *state;
    const char *args[] = {"", "two words", "T\xc3\xbcrkiye"};
    rwd_admin_call call = {"do-it", args, 3, true};
    rwd_buf out = {0};
    rwd_error err;
    assert_true(rwd_admin_is_running(s->dir));
    assert_true(rwd_admin_ask(s->dir, &call, 0, &out, &err));
    assert_string_equal(rwd_buf_cstr(&out), "do-it json=1 [] [two words] [T\xc3\xbcrkiye]");
    rwd_buf_deinit(&out);
}

static void an_error_keeps_its_code_place_and_next_command(void **state) {
    setting *s = *state;
    const char *args[] = {"k"};
    rwd_admin_call call = {"fail", args, 1, false};
    rwd_buf out = {0};
    rwd_error err;
    assert_false(rwd_admin_ask(s->dir, &call, 0, &out, &err));
    assert_int_equal(err.code, RWD_E_NOT_FOUND);
    assert_string_equal(err.cause, "no key 'k'");
    assert_string_equal(err.place, "table t");
    assert_string_equal(err.next, "look elsewhere");
    assert_string_equal(rwd_buf_cstr(&out), "half an answer");
    rwd_buf_deinit(&out);
}

static void a_large_answer_comes_in_pieces_and_whole(void **state) {
    setting *s = *state;
    rwd_admin_call call = {.command = "large"};
    rwd_buf out = {0}, expected = {0};
    rwd_error err;
    for (unsigned i = 0; i < 300000; i++) rwd_buf_appendf(&expected, "%u\n", i);
    assert_true(expected.size > 4 * RWD_ADMIN_CHUNK_MAX);
    assert_true(rwd_admin_ask(s->dir, &call, 0, &out, &err));
    assert_true(rwd_slice_equal(rwd_buf_slice(&out), rwd_buf_slice(&expected)));
    rwd_buf_deinit(&out);
    rwd_buf_deinit(&expected);
}

static void only_the_owner_may_open_the_socket_file(void **state) {
    setting *s = *state;
    char path[RWD_PATH_MAX];
    struct stat st;
    assert_true(rwd_path_join(path, s->dir, RWD_ADMIN_SOCKET_NAME, NULL));
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_true(rwd_admin_peer_allowed(pair[0]));
    close(pair[0]);
    close(pair[1]);
}

static void nobody_running_is_told_apart_from_trouble(void **state) {
    (void)state;
    char dir[] = "admin_test.XXXXXX";
    rwd_admin_call call = {.command = "status"};
    rwd_buf out = {0};
    rwd_error err;
    assert_non_null(mkdtemp(dir));
    assert_false(rwd_admin_ask(dir, &call, 0, &out, &err));
    assert_int_equal(err.code, RWD_E_NO_OPERATOR);
    // A file that a killed operator left: nobody listens, and the next owner takes its place.
    int fd;
    assert_true(rwd_admin_listen(dir, &fd, &err));
    close(fd);
    assert_false(rwd_admin_is_running(dir));
    assert_true(rwd_admin_listen(dir, &fd, &err));
    assert_true(rwd_admin_is_running(dir));
    close(fd);
    assert_true(rwd_remove_tree(dir, NULL));
    assert_false(rwd_admin_ask("no/such/folder", &call, 0, &out, &err));
    assert_int_equal(err.code, RWD_E_NO_OPERATOR);
}

// What a hostile or broken client may send; the server answers with an error or hangs up, and goes on serving.
static void broken_requests_hurt_nobody(void **state) {
    setting *s = *state;
    static const char text[] = "GET / HTTP/1.1\r\n\r\n";
    uint8_t large[16] = {'R', 'W', 'A', 'Q', 1, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f};
    const rwd_slice cases[] = {rwd_slice_of(text, sizeof(text) - 1), rwd_slice_of(large, sizeof(large))};
    for (size_t i = 0; i < 2; i++) {
        int fd = connect_to(s);
        uint8_t answer[4096];
        assert_int_equal(send(fd, cases[i].data, cases[i].size, MSG_NOSIGNAL), cases[i].size);
        ssize_t got = recv(fd, answer, sizeof(answer), 0);
        assert_true(got > 0);
        rwd_buf out = {0};
        rwd_error failure, err;
        size_t size;
        bool last;
        assert_int_equal(rwd_admin_get_reply(rwd_slice_of(answer, (size_t)got), &out, &size, &last, &failure, &err), RWD_ADMIN_WHOLE);
        assert_true(last);
        assert_int_equal(failure.code, RWD_E_USAGE);
        close(fd);
        rwd_buf_deinit(&out);
    }
    int silent = connect_to(s);  // says nothing
    close(silent);
    assert_int_equal(atomic_load(&s->fake.calls), 0);
    a_command_and_its_words_arrive_as_they_were_said(state);
}

static void requests_have_bounds(void **state) {
    (void)state;
    const char *args[RWD_ADMIN_ARGS_MAX + 1];
    for (size_t i = 0; i <= RWD_ADMIN_ARGS_MAX; i++) args[i] = "x";
    rwd_admin_call call = {"c", args, RWD_ADMIN_ARGS_MAX + 1, false};
    rwd_buf out = {0};
    rwd_error err;
    assert_false(rwd_admin_put_request(&call, &out, &err));
    call.arg_count = RWD_ADMIN_ARGS_MAX;
    assert_true(rwd_admin_put_request(&call, &out, &err));
    rwd_buf_clear(&out);
    char *huge = rwd_calloc(1, RWD_ADMIN_REQUEST_MAX + 1);
    memset(huge, 'x', RWD_ADMIN_REQUEST_MAX);
    const char *one[] = {huge};
    call = (rwd_admin_call){"c", one, 1, false};
    assert_false(rwd_admin_put_request(&call, &out, &err));
    free(huge);
    rwd_buf_deinit(&out);
}

typedef struct asker { setting *setting; pthread_t thread; bool worked; } asker;

static void *ask_to_wait(void *argument) {
    asker *a = argument;
    rwd_admin_call call = {.command = "wait"};
    rwd_buf out = {0};
    rwd_error err;
    a->worked = rwd_admin_ask(a->setting->dir, &call, 0, &out, &err);
    rwd_buf_deinit(&out);
    return NULL;
}

static void let_go(fake *f) {
    pthread_mutex_lock(&f->mutex);
    f->release = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mutex);
}

static void wait_until_inside(fake *f, unsigned count) {
    pthread_mutex_lock(&f->mutex);
    while (f->inside < count) pthread_cond_wait(&f->changed, &f->mutex);
    pthread_mutex_unlock(&f->mutex);
}

static void a_slow_command_keeps_nobody_waiting(void **state) {
    setting *s = *state;
    asker slow[RWD_ADMIN_WORKERS - 1];
    for (size_t i = 0; i < RWD_ADMIN_WORKERS - 1; i++) {
        slow[i] = (asker){.setting = s};
        assert_int_equal(pthread_create(&slow[i].thread, NULL, ask_to_wait, &slow[i]), 0);
    }
    wait_until_inside(&s->fake, RWD_ADMIN_WORKERS - 1);
    a_command_and_its_words_arrive_as_they_were_said(state);
    let_go(&s->fake);
    for (size_t i = 0; i < RWD_ADMIN_WORKERS - 1; i++) {
        pthread_join(slow[i].thread, NULL);
        assert_true(slow[i].worked);
    }
}

static void one_client_too_many_is_told_so(void **state) {
    setting *s = *state;
    int held[RWD_ADMIN_CLIENTS_MAX];
    for (size_t i = 0; i < RWD_ADMIN_CLIENTS_MAX; i++) held[i] = connect_to(s);
    rwd_admin_call call = {.command = "status"};
    rwd_buf out = {0};
    rwd_error err;
    int fd = connect_to(s);
    struct pollfd wanted = {fd, POLLIN, 0};
    assert_int_equal(poll(&wanted, 1, -1), 1);  // told before it has asked
    assert_false(rwd_admin_ask_over(fd, &call, 0, &out, &err));
    assert_true(err.code == RWD_E_BUSY || err.code == RWD_E_IO);  // IO: the refusal closed the socket while we wrote
    close(fd);
    for (size_t i = 0; i < RWD_ADMIN_CLIENTS_MAX; i++) close(held[i]);
    rwd_buf_deinit(&out);
}

static void an_answer_is_still_sent_when_the_server_stops(void **state) {
    setting *s = *state;
    asker slow = {.setting = s};
    assert_int_equal(pthread_create(&slow.thread, NULL, ask_to_wait, &slow), 0);
    wait_until_inside(&s->fake, 1);
    let_go(&s->fake);
    rwd_admin_stop(s->admin);
    s->admin = NULL;
    pthread_join(slow.thread, NULL);
    assert_true(slow.worked);
    assert_false(rwd_admin_is_running(s->dir));
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, begin_here, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_command_and_its_words_arrive_as_they_were_said),
        WITH_SERVER(an_error_keeps_its_code_place_and_next_command),
        WITH_SERVER(a_large_answer_comes_in_pieces_and_whole),
        WITH_SERVER(only_the_owner_may_open_the_socket_file),
        {"a_path_longer_than_a_socket_address_works", a_command_and_its_words_arrive_as_they_were_said, begin_deep, end, NULL},
        cmocka_unit_test(nobody_running_is_told_apart_from_trouble),
        WITH_SERVER(broken_requests_hurt_nobody),
        cmocka_unit_test(requests_have_bounds),
        WITH_SERVER(a_slow_command_keeps_nobody_waiting),
        WITH_SERVER(one_client_too_many_is_told_so),
        WITH_SERVER(an_answer_is_still_sent_when_the_server_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
