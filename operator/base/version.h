// Which build this is.
//
// Thread: any; the strings are static.
#ifndef OPERATOR_BASE_VERSION_H
#define OPERATOR_BASE_VERSION_H

// "0.1.0".
const char *rwd_version_number(void);
// "0.1.0 (1a2b3c4d5e6f)": the version and the commit it was built from, "-dirty" behind it if files were changed; without
// a git history just the version. This is the build id in manifests.
const char *rwd_version_text(void);

#endif
