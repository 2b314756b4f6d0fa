// Members are asked for in the order in which they stand, which is the fastest way that the library has.
#include "tests/bench/decode_bare.h"

#include <cstdlib>

#include <simdjson.h>

static simdjson::error_code read_order(simdjson::ondemand::parser &parser, const uint8_t *record, size_t size, int all, uint64_t &sum) {
    simdjson::ondemand::document document;
    simdjson::ondemand::object order;
    std::string_view customer, country, sku;
    int64_t ts, quantity, id;
    double amount;
    simdjson::error_code error;
    if ((error = parser.iterate(record, size, size + simdjson::SIMDJSON_PADDING).get(document))) return error;
    if ((error = document.get_object().get(order))) return error;
    if (all && (error = order.find_field("id").get(id))) return error;
    if ((error = order.find_field("ts").get(ts))) return error;
    if ((error = order.find_field("customer").get(customer))) return error;
    if (all && (error = order.find_field("country").get(country))) return error;
    if (all && (error = order.find_field("sku").get(sku))) return error;
    if ((error = order.find_field("quantity").get(quantity))) return error;
    if ((error = order.find_field("amount").get(amount))) return error;
    sum += uint64_t(ts) + uint64_t(quantity) + uint64_t(amount) + customer.size();
    if (all) sum += uint64_t(id) + country.size() + sku.size();
    return simdjson::SUCCESS;
}

uint64_t bench_bare_json(const uint8_t *const *records, const uint32_t *sizes, size_t count, int all) {
    static simdjson::ondemand::parser parser;
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        if (read_order(parser, records[i], sizes[i], all, sum)) std::abort();
    return sum;
}
