// Prints what clocks show in a zone, for tests/property/zone_oracle.py: lines of "NAME" TAB "u" or "l" TAB seconds come in, and go out with the distance behind
// them. u: seconds of UTC; l: of the clocks there.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "operator/base/zone.h"

int main(void) {
    char name[128], open_name[128] = "", kind;
    rwd_zone *zone = NULL;
    int64_t seconds;
    while (scanf("%127s %c %" SCNd64, name, &kind, &seconds) == 3) {
        rwd_error err;
        if (strcmp(name, open_name) != 0) {
            rwd_zone_free(zone);
            zone = NULL;
            if (!rwd_zone_open(name, &zone, &err)) {
                fprintf(stderr, "%s\n", err.cause);
                return 1;
            }
            snprintf(open_name, sizeof open_name, "%s", name);
        }
        printf("%s\t%c\t%" PRId64 "\t%d\n", name, kind, seconds, kind == 'u' ? rwd_zone_at(zone, seconds) : rwd_zone_at_local(zone, seconds));
    }
    rwd_zone_free(zone);
    return 0;
}
