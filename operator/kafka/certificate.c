// The validity of a certificate (certificate.h).
//
// What must stay true: nothing is read beyond the bytes given, whatever their lengths say.
#include "operator/kafka/certificate.h"

#include <stdio.h>
#include <string.h>

#include "operator/base/time.h"

// Tags of DER.
enum { TAG_INTEGER = 0x02, TAG_UTC_TIME = 0x17, TAG_GENERALIZED_TIME = 0x18, TAG_SEQUENCE = 0x30, TAG_VERSION = 0xa0 };

// The next value: its tag and its content. Lengths of up to four bytes.
static bool take_value(rwd_reader *from, uint8_t *out_tag, rwd_slice *out) {
    uint8_t first, more;
    if (!rwd_reader_u8(from, out_tag) || !rwd_reader_u8(from, &first)) return false;
    size_t size = first;
    if (first > 0x84 || first == 0x80) return false;
    if (first > 0x80) {
        size = 0;
        for (unsigned i = 0; i < (first & 0x7fu); i++) {
            if (!rwd_reader_u8(from, &more)) return false;
            size = size << 8 | more;
        }
    }
    return rwd_reader_take(from, size, out);
}

static bool take(rwd_reader *from, uint8_t tag, rwd_slice *out) {
    uint8_t found;
    return take_value(from, &found, out) && found == tag;
}

// YYMMDDHHMMSSZ, years from 1950 to 2049; or YYYYMMDDHHMMSSZ.
static bool take_time(rwd_reader *from, int64_t *out_us) {
    uint8_t tag;
    rwd_slice digits;
    rwd_time_format format = {.kind = RWD_TIME_RFC3339};
    char text[32];
    if (!take_value(from, &tag, &digits)) return false;
    bool shorter = tag == TAG_UTC_TIME;
    if ((!shorter && tag != TAG_GENERALIZED_TIME) || digits.size != (shorter ? 13u : 15u)) return false;
    const char *at = (const char *)digits.data;
    const char *century = !shorter ? "" : at[0] < '5' ? "20" : "19";
    int year = shorter ? 2 : 4;
    (void)snprintf(text, sizeof text, "%s%.*s-%.2s-%.2sT%.2s:%.2s:%.2sZ", century, year, at, at + year, at + year + 2, at + year + 4, at + year + 6, at + year + 8);
    return rwd_time_parse(&format, rwd_slice_str(text), out_us) == RWD_PARSE_OK;
}

bool rwd_kafka_certificate_validity(rwd_slice der, rwd_kafka_validity *out) {
    rwd_slice certificate, signed_part, skipped, validity;
    uint8_t tag;
    rwd_reader at = rwd_reader_of(der);
    if (!take(&at, TAG_SEQUENCE, &certificate)) return false;
    at = rwd_reader_of(certificate);
    if (!take(&at, TAG_SEQUENCE, &signed_part)) return false;
    at = rwd_reader_of(signed_part);
    if (!take_value(&at, &tag, &skipped)) return false;
    if (tag == TAG_VERSION && !take_value(&at, &tag, &skipped)) return false;
    if (tag != TAG_INTEGER) return false;  // the serial number
    if (!take(&at, TAG_SEQUENCE, &skipped) || !take(&at, TAG_SEQUENCE, &skipped)) return false;  // algorithm, issuer
    if (!take(&at, TAG_SEQUENCE, &validity)) return false;
    at = rwd_reader_of(validity);
    return take_time(&at, &out->from_us) && take_time(&at, &out->until_us);
}

static const uint8_t *find(rwd_slice text, const char *word) { return text.size ? memmem(text.data, text.size, word, strlen(word)) : NULL; }

bool rwd_kafka_pem_validity(rwd_slice pem, rwd_kafka_validity *out) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
    const uint8_t *from = find(pem, begin);
    if (!from) return false;
    from += sizeof begin - 1;
    rwd_slice rest = rwd_slice_of(from, (size_t)(pem.data + pem.size - from));
    const uint8_t *until = find(rest, end);
    if (!until) return false;
    rwd_buf letters = {0}, der = {0};
    for (; from < until; from++)
        if (*from > ' ') rwd_buf_append(&letters, from, 1);
    bool ok = rwd_base64_decode(rwd_buf_slice(&letters), &der) && rwd_kafka_certificate_validity(rwd_buf_slice(&der), out);
    rwd_buf_deinit(&letters);
    rwd_buf_deinit(&der);
    return ok;
}
