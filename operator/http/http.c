// The HTTP server: one thread of libmicrohttpd, a table of pages.
#include "operator/http/http.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "operator/base/clock.h"
#include "operator/base/log.h"

#define CONNECTION_TIMEOUT_S 10
#define CONNECTION_MEMORY ((size_t)32 << 10)
#define BACKLOG 64

#define TYPE_METRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"

struct rwd_http {
    struct MHD_Daemon *daemon;
    rwd_http_options options;
    uint16_t port;
};

// ---- pages: each appends its text and answers with a status code

typedef unsigned (*page)(const rwd_status *status, rwd_buf *out);

static unsigned metrics_page(const rwd_status *status, rwd_buf *out) {
    rwd_status_metrics(status, out);
    return MHD_HTTP_OK;
}

static unsigned status_page(const rwd_status *status, rwd_buf *out) {
    rwd_status_json(status, out);
    return MHD_HTTP_OK;
}

static unsigned ready_page(const rwd_status *status, rwd_buf *out) {
    if (!rwd_status_ready(status, out)) return MHD_HTTP_SERVICE_UNAVAILABLE;
    rwd_buf_appendf(out, "%s\n", rwd_phase_name(status->phase));
    return MHD_HTTP_OK;
}

// A job that waits for its broker has started: a probe that kills it would not bring the broker back.
static unsigned startup_page(const rwd_status *status, rwd_buf *out) {
    bool recovering = status->phase == RWD_PHASE_STARTING || status->phase == RWD_PHASE_VERIFYING || status->phase == RWD_PHASE_REPLAYING;
    bool waits = status->source_away_us || status->sink_away_us;
    if (recovering && !waits) {
        (void)rwd_status_ready(status, out);
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    rwd_buf_appendf(out, "%s\n", rwd_phase_name(status->phase));
    return MHD_HTTP_OK;
}

// Only a pipeline that reads has to come by regularly: verification, replay and parking may take as long as they take.
static unsigned live_page(const rwd_status *status, rwd_buf *out) {
    int64_t silent_ns = rwd_clock_ns(rwd_clock_system()) - status->heartbeat_ns;
    bool comes_by = rwd_phase_ready(status->phase) || status->phase == RWD_PHASE_PAUSED;
    if (status->heartbeat_ns != 0 && comes_by && silent_ns > RWD_HTTP_HEARTBEAT_MAX_NS) {
        rwd_buf_appendf(out, "the pipeline has not moved for %" PRId64 " s\n", silent_ns / 1000000000);
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    rwd_buf_append_str(out, "alive\n");
    return MHD_HTTP_OK;
}

static const struct {
    const char *path;
    const char *type;
    page make;
} pages[] = {
    {"/metrics", TYPE_METRICS, metrics_page}, {"/livez", TYPE_TEXT, live_page},       {"/readyz", TYPE_TEXT, ready_page},
    {"/startupz", TYPE_TEXT, startup_page},   {"/status", TYPE_JSON, status_page},
};
#define PAGE_COUNT (sizeof(pages) / sizeof(pages[0]))

static void list_pages(rwd_buf *out) {
    rwd_buf_append_str(out, "there is no such page; these are here:\n");
    for (size_t i = 0; i < PAGE_COUNT; i++) rwd_buf_appendf(out, "  %s\n", pages[i].path);
}

// ---- the daemon

static enum MHD_Result send_page(struct MHD_Connection *connection, unsigned code, const char *type, const rwd_buf *text) {
    struct MHD_Response *response = MHD_create_response_from_buffer(text->size, text->data, MHD_RESPMEM_MUST_COPY);
    if (!response) return MHD_NO;
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED) (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *upload, size_t *upload_size, void **request) {
    (void)version, (void)upload;
    rwd_http *http = context;
    // A body is read and thrown away piece by piece: an answer may only be queued before the first or after the last.
    if (*upload_size) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (!*request) {
        *request = http;
        return MHD_YES;
    }
    rwd_buf text = {0};
    enum MHD_Result result;
    bool reading = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    size_t i = 0;
    while (i < PAGE_COUNT && strcmp(pages[i].path, url) != 0) i++;
    if (!reading) {
        rwd_buf_append_str(&text, "pages are read with GET or HEAD; what changes an operator goes through its admin socket (rewind help)\n");
        result = send_page(connection, MHD_HTTP_METHOD_NOT_ALLOWED, TYPE_TEXT, &text);
    } else if (i == PAGE_COUNT) {
        list_pages(&text);
        result = send_page(connection, MHD_HTTP_NOT_FOUND, TYPE_TEXT, &text);
    } else {
        rwd_status *status = rwd_calloc(1, sizeof(*status));
        http->options.status(http->options.context, status);
        unsigned code = pages[i].make(status, &text);
        result = send_page(connection, code, pages[i].type, &text);
        free(status);
    }
    rwd_buf_deinit(&text);
    return result;
}

// The library's own complaints, as log lines.
static RWD_PRINTF(2, 0) void log_words(void *context, const char *format, va_list args) {
    (void)context;
    char text[512];
    (void)vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    rwd_log(RWD_LOG_DEBUG, "http", "%s", text);
}

// ---- listening

static bool listen_failed(const rwd_http_options *options, int system_error, rwd_error *err) {
    if (system_error == EADDRINUSE) rwd_fail(err, RWD_E_IO, "http.listen: another process listens on this address");
    else rwd_fail_errno(err, system_error, "http.listen: cannot listen");
    rwd_error_at(err, "%s:%u", options->host, (unsigned)options->port);
    return rwd_error_next(err, "rewind run JOB --set http.listen=HOST:PORT (or off)");
}

static bool listen_on(const rwd_http_options *options, const struct addrinfo *address, int *out_fd, rwd_error *err) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) return listen_failed(options, errno, err);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        *out_fd = fd;
        return true;
    }
    int why = errno;
    close(fd);
    return listen_failed(options, why, err);
}

// "[::1]" is how an address with colons is written before a port.
static void bare_host(const char *host, char *out, size_t capacity) {
    size_t size = strlen(host);
    bool bracketed = size >= 2 && host[0] == '[' && host[size - 1] == ']';
    (void)snprintf(out, capacity, "%.*s", bracketed ? (int)size - 2 : (int)size, bracketed ? host + 1 : host);
    if (strcmp(out, "*") == 0) out[0] = '\0';
}

static bool open_listener(const rwd_http_options *options, int *out_fd, rwd_error *err) {
    char host[256], port[8];
    bare_host(options->host, host, sizeof(host));
    (void)snprintf(port, sizeof(port), "%u", (unsigned)options->port);
    struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int why = getaddrinfo(*host ? host : NULL, port, &wanted, &found);
    if (why != 0) {
        rwd_fail(err, RWD_E_CONFIG, "http.listen: '%s' is no address of this machine: %s", options->host, gai_strerror(why));
        return rwd_error_next(err, "rewind run JOB --set http.listen=127.0.0.1:9464 (or off)");
    }
    bool worked = listen_on(options, found, out_fd, err);
    freeaddrinfo(found);
    return worked;
}

static uint16_t port_of(int fd) {
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    char port[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        (void)getnameinfo((const struct sockaddr *)&address, size, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
    return (uint16_t)strtoul(port, NULL, 10);
}

bool rwd_http_start(const rwd_http_options *options, rwd_http **out, rwd_error *err) {
    int fd;
    if (!open_listener(options, &fd, err)) return false;
    rwd_http *http = rwd_calloc(1, sizeof(*http));
    http->options = *options;
    http->options.host = NULL;
    http->port = port_of(fd);
    http->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, answer, http,
                                    MHD_OPTION_EXTERNAL_LOGGER, log_words, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                    (unsigned)RWD_HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
                                    MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_END);
    if (http->daemon) {
        *out = http;
        return true;
    }
    close(fd);
    free(http);
    return rwd_fail(err, RWD_E_RESOURCE, "cannot start the HTTP server");
}

uint16_t rwd_http_port(const rwd_http *http) { return http->port; }

void rwd_http_stop(rwd_http *http) {
    if (!http) return;
    MHD_stop_daemon(http->daemon);  // closes the listening socket
    free(http);
}

const char *rwd_http_version(void) { return MHD_get_version(); }
