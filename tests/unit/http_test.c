// The HTTP pages, asked over a plain socket.
#include "operator/http/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "operator/base/clock.h"
#include "tests/unit/test.h"

typedef struct setting {
    rwd_status status;
    rwd_http *http;
} setting;

static void give_status(void *context, rwd_status *out) { *out = ((setting *)context)->status; }

static int begin(void **state) {
    setting *s = rwd_calloc(1, sizeof(*s));
    rwd_http_options options = {.host = "127.0.0.1", .port = 0, .status = give_status, .context = s};
    rwd_error err;
    s->status.phase = RWD_PHASE_RUNNING;
    memcpy(s->status.job, "orders", 7);
    assert_true(rwd_http_start(&options, &s->http, &err));
    *state = s;
    return 0;
}

static int end(void **state) {
    setting *s = *state;
    rwd_http_stop(s->http);
    free(s);
    return 0;
}

static int connect_to(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

// Sends the words, reads until the server closes. Returns the status code; the whole answer is in `out`.
static int ask(const setting *s, const char *request, rwd_buf *out) {
    int fd = connect_to(rwd_http_port(s->http)), code = 0;
    rwd_buf_clear(out);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    for (;;) {
        char piece[4096];
        ssize_t got = recv(fd, piece, sizeof(piece), 0);
        if (got <= 0) break;
        rwd_buf_append(out, piece, (size_t)got);
    }
    close(fd);
    if (sscanf(rwd_buf_cstr(out), "HTTP/1.%*c %d", &code) != 1) return 0;
    return code;
}

static int get(const setting *s, const char *path, rwd_buf *out) {
    char request[256];
    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    return ask(s, request, out);
}

static const char *body(rwd_buf *answer) {
    const char *end_of_head = strstr(rwd_buf_cstr(answer), "\r\n\r\n");
    return end_of_head ? end_of_head + 4 : "";
}

static void pages_say_what_the_status_says(void **state) {
    setting *s = *state;
    rwd_buf out = {0}, expected = {0};
    assert_int_equal(get(s, "/metrics", &out), 200);
    assert_non_null(strstr(rwd_buf_cstr(&out), "application/openmetrics-text; version=1.0.0; charset=utf-8"));
    rwd_status_metrics(&s->status, &expected);
    assert_string_equal(body(&out), rwd_buf_cstr(&expected));
    rwd_buf_clear(&expected);
    assert_int_equal(get(s, "/status", &out), 200);
    rwd_status_json(&s->status, &expected);
    assert_string_equal(body(&out), rwd_buf_cstr(&expected));
    rwd_buf_deinit(&out);
    rwd_buf_deinit(&expected);
}

static void readiness_follows_the_phase_and_names_the_way_out(void **state) {
    setting *s = *state;
    rwd_buf out = {0};
    assert_int_equal(get(s, "/readyz", &out), 200);
    s->status.phase = RWD_PHASE_REPLAYING;
    assert_int_equal(get(s, "/readyz", &out), 503);
    assert_int_equal(get(s, "/startupz", &out), 503);
    assert_int_equal(get(s, "/livez", &out), 200);
    s->status.phase = RWD_PHASE_PARKED;
    memcpy(s->status.reason, "the disk is full", 17);
    memcpy(s->status.next, "rewind doctor", 14);
    assert_int_equal(get(s, "/readyz", &out), 503);
    assert_string_equal(body(&out), "parked\nbecause: the disk is full\nnext: rewind doctor\n");
    assert_int_equal(get(s, "/startupz", &out), 200);
    assert_int_equal(get(s, "/livez", &out), 200);
    rwd_buf_deinit(&out);
}

static void a_pipeline_that_stands_still_while_it_should_read_is_not_alive(void **state) {
    setting *s = *state;
    rwd_buf out = {0};
    int64_t now = rwd_clock_ns(rwd_clock_system()), old = now - 2 * (int64_t)RWD_HTTP_HEARTBEAT_MAX_NS;
    s->status.heartbeat_ns = now;
    assert_int_equal(get(s, "/livez", &out), 200);
    s->status.heartbeat_ns = old == 0 ? -1 : old;
    assert_int_equal(get(s, "/livez", &out), 503);
    s->status.phase = RWD_PHASE_VERIFYING;  // may take as long as it takes
    assert_int_equal(get(s, "/livez", &out), 200);
    rwd_buf_deinit(&out);
}

static void other_pages_and_methods_are_refused(void **state) {
    setting *s = *state;
    rwd_buf out = {0};
    assert_int_equal(get(s, "/", &out), 404);
    assert_non_null(strstr(body(&out), "/metrics"));
    assert_int_equal(get(s, "/metrics/../status", &out), 404);
    assert_int_equal(ask(s, "POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", &out), 405);
    assert_non_null(strstr(rwd_buf_cstr(&out), "Allow: GET, HEAD"));
    assert_int_equal(ask(s, "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &out), 200);
    assert_string_equal(body(&out), "");
    assert_int_not_equal(ask(s, "\x01\x02 nonsense\r\n\r\n", &out), 200);
    rwd_buf_deinit(&out);
}

static void more_clients_than_the_bound_do_not_end_the_service(void **state) {
    setting *s = *state;
    int held[RWD_HTTP_CONNECTIONS_MAX + 20];
    rwd_buf out = {0};
    size_t count = sizeof(held) / sizeof(held[0]);
    for (size_t i = 0; i < count; i++) held[i] = connect_to(rwd_http_port(s->http));
    for (size_t i = 0; i < count; i++) close(held[i]);
    while (get(s, "/livez", &out) != 200) (void)usleep(1000);  // until the closed ones are noticed
    rwd_buf_deinit(&out);
}

static void an_address_in_use_names_the_key(void **state) {
    setting *s = *state;
    rwd_http_options options = {.host = "127.0.0.1", .port = rwd_http_port(s->http), .status = give_status, .context = s};
    rwd_http *second = NULL;
    rwd_error err;
    assert_false(rwd_http_start(&options, &second, &err));
    assert_non_null(strstr(err.cause, "http.listen"));
    assert_int_equal(rwd_code_exit(err.code), RWD_EXIT_IO);
    options.host = "no.such.host.invalid";
    assert_false(rwd_http_start(&options, &second, &err));
    assert_non_null(strstr(err.cause, "http.listen"));
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(pages_say_what_the_status_says),
        WITH_SERVER(readiness_follows_the_phase_and_names_the_way_out),
        WITH_SERVER(a_pipeline_that_stands_still_while_it_should_read_is_not_alive),
        WITH_SERVER(other_pages_and_methods_are_refused),
        WITH_SERVER(more_clients_than_the_bound_do_not_end_the_service),
        WITH_SERVER(an_address_in_use_names_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
