// Certificates' validity: of certificates that OpenSSL made, and of bytes that are none.
#include <stdlib.h>
#include <string.h>

#include "operator/kafka/certificate.h"
#include "tests/unit/test.h"

#define US 1000000LL

// openssl ca -startdate 19990102030405Z -enddate 20491231235959Z: both as UTCTime.
static const char short_years[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIH/MIGmAgEBMAoGCCqGSM49BAMCMAwxCjAIBgNVBAMMAWEwHhcNOTkwMTAyMDMw\n"
    "NDA1WhcNNDkxMjMxMjM1OTU5WjAMMQowCAYDVQQDDAFhMFkwEwYHKoZIzj0CAQYI\n"
    "KoZIzj0DAQcDQgAEBKycgpFw2zBOPgwU5dpyZTDtmegJYPqaDi1Ef3MyNqtr9P5D\n"
    "06Aw72gV1BM0hsCpoCGM+rFHcgNszB7lP1oP7TAKBggqhkjOPQQDAgNIADBFAiEA\n"
    "5QYj1iCLP4iho1qFDVFC5w/iak2pyO8/AmMUeTeTHW8CIDngEJf9IvTn1hFgliAb\n"
    "LGVJzHWw1AhW8rXzlu77zFPc\n"
    "-----END CERTIFICATE-----\n";

// openssl ca -startdate 20260102030405Z -enddate 20610708091011Z: the second as GeneralizedTime.
static const char long_years[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBAjCBqAIBAjAKBggqhkjOPQQDAjAMMQowCAYDVQQDDAFiMCAXDTI2MDEwMjAz\n"
    "MDQwNVoYDzIwNjEwNzA4MDkxMDExWjAMMQowCAYDVQQDDAFiMFkwEwYHKoZIzj0C\n"
    "AQYIKoZIzj0DAQcDQgAEBKycgpFw2zBOPgwU5dpyZTDtmegJYPqaDi1Ef3MyNqtr\n"
    "9P5D06Aw72gV1BM0hsCpoCGM+rFHcgNszB7lP1oP7TAKBggqhkjOPQQDAgNJADBG\n"
    "AiEAi64iYmtwV+0Q9qHuFW7koEe+3dxx6p3Ro8lbJOEzcwgCIQCingJfmLMbnnhi\n"
    "AXnwvMujGFye5UfwPGgu/SXxO0slIg==\n"
    "-----END CERTIFICATE-----\n";

static void test_both_ways_to_write_a_time_are_read(void **state) {
    (void)state;
    rwd_kafka_validity found;
    assert_true(rwd_kafka_pem_validity(rwd_slice_str(short_years), &found));
    assert_int_equal(found.from_us, 915246245 * US);
    assert_int_equal(found.until_us, 2524607999 * US);
    assert_true(rwd_kafka_pem_validity(rwd_slice_str(long_years), &found));
    assert_int_equal(found.from_us, 1767323045 * US);
    assert_int_equal(found.until_us, 2888039411 * US);
}

static void test_the_first_certificate_of_a_file_counts(void **state) {
    (void)state;
    rwd_kafka_validity found;
    rwd_buf text = {0};
    rwd_buf_append_str(&text, "words before\n");
    rwd_buf_append_str(&text, long_years);
    rwd_buf_append_str(&text, short_years);
    assert_true(rwd_kafka_pem_validity(rwd_buf_slice(&text), &found));
    assert_int_equal(found.until_us, 2888039411 * US);
    rwd_buf_deinit(&text);
}

// The DER of a PEM text.
static rwd_buf der_of(const char *pem) {
    const char *from = strchr(pem, '\n') + 1, *until = strstr(pem, "-----END");
    rwd_buf letters = {0}, der = {0};
    for (; from < until; from++)
        if (*from != '\n') rwd_buf_append(&letters, from, 1);
    assert_true(rwd_base64_decode(rwd_buf_slice(&letters), &der));
    rwd_buf_deinit(&letters);
    return der;
}

// Every beginning, in memory of its own so that a read beyond it is seen; and every byte changed to each of some values.
static void test_bytes_that_are_no_certificate_are_refused_or_read_without_leaving_them(void **state) {
    (void)state;
    rwd_kafka_validity found;
    rwd_buf der = der_of(long_years);
    size_t whole = 0;
    for (size_t size = 0; size <= der.size; size++) {
        uint8_t *copy = malloc(size ? size : 1);
        assert_non_null(copy);
        memcpy(copy, der.data, size);
        whole += rwd_kafka_certificate_validity(rwd_slice_of(copy, size), &found);
        free(copy);
    }
    assert_int_equal(whole, 1);  // its own length says that all of it belongs to it
    static const uint8_t others[] = {0x00, 0x01, 0x30, 0x7f, 0x80, 0x81, 0x84, 0x85, 0xff};
    for (size_t at = 0; at < 120; at++) {
        for (size_t i = 0; i < sizeof others; i++) {
            uint8_t *copy = malloc(der.size);
            assert_non_null(copy);
            memcpy(copy, der.data, der.size);
            copy[at] = others[i];
            (void)!rwd_kafka_certificate_validity(rwd_slice_of(copy, der.size), &found);
            free(copy);
        }
    }
    rwd_buf_deinit(&der);
    assert_false(rwd_kafka_pem_validity(rwd_slice_str(""), &found));
    assert_false(rwd_kafka_pem_validity(rwd_slice_str("-----BEGIN CERTIFICATE-----\nMIH"), &found));
    assert_false(rwd_kafka_pem_validity(rwd_slice_str("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"), &found));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_to_write_a_time_are_read),
        cmocka_unit_test(test_the_first_certificate_of_a_file_counts),
        cmocka_unit_test(test_bytes_that_are_no_certificate_are_refused_or_read_without_leaving_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
