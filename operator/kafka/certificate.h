// When an X.509 certificate is valid: that much of it says why TLS failed, and librdkafka does not.
//
// Source: RFC 5280 (4.1 the certificate, 4.1.2.5 its validity), X.690 (DER), RFC 7468 (PEM).
//
// Thread: any.
#ifndef OPERATOR_KAFKA_CERTIFICATE_H
#define OPERATOR_KAFKA_CERTIFICATE_H

#include "operator/base/bytes.h"

#define RWD_KAFKA_CERTIFICATE_MAX (256 * 1024)  // bytes of a PEM file that are looked at

typedef struct rwd_kafka_validity {
    int64_t from_us, until_us;  // since 1970
} rwd_kafka_validity;

// Of a certificate in DER. False where that is not one.
RWD_MUST bool rwd_kafka_certificate_validity(rwd_slice der, rwd_kafka_validity *out);
// Of the first certificate of a text in PEM. False where there is none.
RWD_MUST bool rwd_kafka_pem_validity(rwd_slice pem, rwd_kafka_validity *out);

#endif
