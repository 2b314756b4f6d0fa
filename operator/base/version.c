// The only file that sees the version and the commit: the build writes them into rwd_build_id.h at every build, and only
// this file is compiled again when they change.
#include "operator/base/version.h"

#include "rwd_build_id.h"

const char *rwd_version_number(void) { return RWD_VERSION; }

const char *rwd_version_text(void) {
    return sizeof(RWD_BUILD_COMMIT) > 1 ? RWD_VERSION " (" RWD_BUILD_COMMIT ")" : RWD_VERSION;
}
