// C without transactions (kafka_position.h).
#include "operator/sink/kafka_position.h"

#include <inttypes.h>
#include <stdlib.h>

#include "operator/base/log.h"

#define TRIES_MAX 5               // of one commit that the broker does not answer
#define RETRY_NS 100000000LL      // before the second try; doubled each time

struct rwd_kafka_position {
    rwd_kafka_group *group;
    const char *name;             // of the group
    rwd_clock *clock;
    rwd_kafka_wait *wait;
    rwd_kafka_committed known;    // C as this process knows it
};

bool rwd_kafka_position_open(const rwd_kafka_settings *settings, const char *topic, unsigned partition, rwd_clock *clock, rwd_kafka_wait *wait,
                             rwd_kafka_committed *found, rwd_kafka_position **out, rwd_error *err) {
    rwd_kafka_group *group;
    if (!rwd_kafka_group_open(settings, topic, partition, clock, wait, &group, err)) return false;
    rwd_kafka_position *self = rwd_calloc(1, sizeof *self);
    *self = (rwd_kafka_position){.group = group, .name = settings->group, .clock = clock, .wait = wait, .known = *found};
    *found = (rwd_kafka_committed){0};
    *out = self;
    return true;
}

void rwd_kafka_position_close(rwd_kafka_position *self) {
    if (!self) return;
    rwd_kafka_group_close(self->group);
    rwd_kafka_committed_deinit(&self->known);
    free(self);
}

static bool stands(const rwd_kafka_committed *c, int64_t offset, rwd_slice metadata) {
    return c->found && c->offset == offset && c->metadata.size == metadata.size && memcmp(c->metadata.data, metadata.data, metadata.size) == 0;
}

static bool is_known(const rwd_kafka_position *self, const rwd_kafka_committed *c) {
    return self->known.found ? stands(c, self->known.offset, rwd_buf_slice(&self->known.metadata)) : !c->found;
}

static bool refuse_other(const rwd_kafka_position *self, const rwd_kafka_committed *c, rwd_error *err) {
    if (!c->found) return rwd_fail(err, RWD_E_FENCED, "group %s has no offset any more, though this process committed one", self->name);
    return rwd_fail(err, RWD_E_FENCED, "group %s has offset %" PRId64 ", which is not what this process committed last", self->name, c->offset);
}

// What stands there is what is known, or `out_new`: what is about to be committed. `metadata` NULL data: nothing is.
static bool look(rwd_kafka_position *self, int64_t offset, rwd_slice metadata, bool *out_new, rwd_error *err) {
    rwd_kafka_committed c;
    if (!rwd_kafka_group_read(self->group, &c, err)) return false;
    *out_new = metadata.data && stands(&c, offset, metadata);
    bool ok = *out_new || is_known(self, &c) || refuse_other(self, &c, err);
    rwd_kafka_committed_deinit(&c);
    return ok;
}

bool rwd_kafka_position_check(rwd_kafka_position *self, rwd_error *err) {
    bool ignored;
    return look(self, 0, rwd_slice_of(NULL, 0), &ignored, err);
}

static void remember(rwd_kafka_position *self, int64_t offset, rwd_slice metadata) {
    self->known.found = true;
    self->known.offset = offset;
    rwd_buf_clear(&self->known.metadata);
    rwd_buf_append(&self->known.metadata, metadata.data, metadata.size);
}

bool rwd_kafka_position_commit(rwd_kafka_position *self, int64_t offset, rwd_slice metadata, rwd_error *err) {
    for (unsigned tries = 1;; tries++) {
        bool there;
        if (!look(self, offset, metadata, &there, err)) return false;
        // The first time nothing was sent: the same C once more is an idle commit, and is made.
        if ((there && tries > 1) || rwd_kafka_group_commit(self->group, offset, metadata, err)) break;
        if (err->decision != RWD_RETRY || tries == TRIES_MAX || atomic_load(&self->wait->give_up)) return false;
        rwd_log_error(RWD_LOG_WARN, "sink", err);
        self->clock->sleep_ns(self->clock, RETRY_NS << (tries - 1));
    }
    remember(self, offset, metadata);
    return true;
}
