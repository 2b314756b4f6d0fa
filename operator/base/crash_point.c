// The armed crash point. This is the program's only mutable state that no object owns: a place may stand in any function on any thread, and
// passing an object to all of them would change the code that is to be tested.
#include "operator/base/crash_point.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "operator/base/words.h"

atomic_bool rwd_crash_points_armed;
static atomic_int armed_point;
static atomic_ulong passings_left;

static const char *const names[] = {
#define RWD_CRASH_POINT_NAME(row, name, where) name,
    RWD_CRASH_POINT_TABLE(RWD_CRASH_POINT_NAME)
#undef RWD_CRASH_POINT_NAME
};

static const char *const places[] = {
#define RWD_CRASH_POINT_WHERE(row, name, where) where,
    RWD_CRASH_POINT_TABLE(RWD_CRASH_POINT_WHERE)
#undef RWD_CRASH_POINT_WHERE
};

const char *rwd_crash_point_name(rwd_crash_point point) {
    assert((unsigned)point < RWD_CRASH_POINT_COUNT);
    return names[point];
}

const char *rwd_crash_point_where(rwd_crash_point point) {
    assert((unsigned)point < RWD_CRASH_POINT_COUNT);
    return places[point];
}

static bool unknown(rwd_error *err, const char *spec) {
    const char *nearest = rwd_nearest(spec, names, RWD_CRASH_POINT_COUNT);
    return rwd_fail(err, RWD_E_USAGE, "REWIND_CRASH_POINT=%s: there is no such crash point%s%s%s", spec, nearest ? "; did you mean " : "",
                    nearest ? nearest : "", nearest ? "?" : "");
}

bool rwd_crash_points_setup(const char *spec, rwd_error *err) {
    atomic_store(&rwd_crash_points_armed, false);
    if (!spec || spec[0] == '\0') return true;
    const char *colon = strchr(spec, ':');
    size_t size = colon ? (size_t)(colon - spec) : strlen(spec);
    unsigned long passing = 1;
    if (colon) {
        char *end = NULL;
        passing = strtoul(colon + 1, &end, 10);
        if (passing == 0 || *end != '\0' || colon[1] < '0' || colon[1] > '9')
            return rwd_fail(err, RWD_E_USAGE, "REWIND_CRASH_POINT=%s: behind ':' stands which passing, from 1", spec);
    }
    for (int i = 0; i < RWD_CRASH_POINT_COUNT; i++) {
        if (strlen(names[i]) != size || memcmp(names[i], spec, size) != 0) continue;
        atomic_store(&armed_point, i);
        atomic_store(&passings_left, passing);
        atomic_store(&rwd_crash_points_armed, true);
        return true;
    }
    return unknown(err, spec);
}

void rwd_crash_point_pass(rwd_crash_point point) {
    if ((int)point != atomic_load(&armed_point) || atomic_fetch_sub(&passings_left, 1) != 1) return;
    (void)kill(getpid(), SIGKILL);
    for (;;) (void)pause();  // the signal may be a moment away; nothing more is done
}
