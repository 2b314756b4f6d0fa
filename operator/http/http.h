// The HTTP door: what an operator says about itself, read-only. The only file that includes microhttpd.
//
//   /metrics   OpenMetrics text          /status    the status as JSON
//   /livez     200 while the pipeline thread moves
//   /readyz    200 while records are read or may be, and nothing is stuck, else 503 with the reason and the command to type
//   /startupz  200 once recovery is over, or while it waits for a broker
//
// GET and HEAD only; connections, their time and their memory are bounded; loopback unless the job says otherwise.
//
// Thread: start and stop from one thread. The status function is called from the server's thread.
#ifndef OPERATOR_HTTP_HTTP_H
#define OPERATOR_HTTP_HTTP_H

#include "operator/pipeline/status.h"

#define RWD_HTTP_CONNECTIONS_MAX 64
#define RWD_HTTP_HEARTBEAT_MAX_NS 60000000000  // a running pipeline that has not come by for longer is not alive

typedef struct rwd_http rwd_http;

typedef struct rwd_http_options {
    const char *host;   // name or address; "" or "*": every address
    uint16_t port;      // 0: any free one
    void (*status)(void *context, rwd_status *out);
    void *context;
} rwd_http_options;

// Listens. An address in use, or one that is not ours, is an error that names http.listen. *gives*.
RWD_MUST bool rwd_http_start(const rwd_http_options *options, rwd_http **out, rwd_error *err);
uint16_t rwd_http_port(const rwd_http *http);  // the one in use
void rwd_http_stop(rwd_http *http);
// Version of the library that is linked, "0.9.75". Static.
const char *rwd_http_version(void);

#endif
