// A participant that writes files: counts its calls, may fail, may wait for its sweep, and checks that each call comes in its turn.
//
// Thread: as participant.h says; the counters may be read at any time through fake_participant_count.
#ifndef TESTS_SUPPORT_FAKE_PARTICIPANT_H
#define TESTS_SUPPORT_FAKE_PARTICIPANT_H

#include <pthread.h>

#include "operator/base/participant.h"

typedef enum fake_call { FAKE_FREEZE, FAKE_SWEEP, FAKE_WRITE, FAKE_DIGEST, FAKE_THAW, FAKE_DISCARD, FAKE_CALL_COUNT } fake_call;

typedef struct fake_participant {
    rwd_participant participant;
    const char *name;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned calls[FAKE_CALL_COUNT];
    int64_t value;           // the state: what the next freeze takes
    int64_t frozen;          // what was frozen
    int64_t frozen_offset;
    bool is_frozen, swept;
    unsigned sweep_steps;    // calls of sweep that a freeze needs
    unsigned steps_left;
    bool fail_write;
    bool hold_write;         // write blocks until this is false
    pthread_t pipeline;      // the thread that made it: freeze, sweep and thaw must come from it
} fake_participant;

rwd_participant *fake_participant_init(fake_participant *fake, const char *name);
void fake_participant_deinit(fake_participant *fake);
unsigned fake_participant_count(fake_participant *fake, fake_call call);
void fake_participant_release_write(fake_participant *fake);

#endif
