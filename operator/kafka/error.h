// What librdkafka's and the broker's error codes mean here: one table from code to decision to message.
//
// Each row names a code as librdkafka does, the error of ours that it becomes (whose decision and exit code stand in operator/base/error.h), what it means in
// words, and what to look at next. A code without a row becomes KAFKA, with librdkafka's own words. The manual's page is printed from this table.
//
// A connection that comes to nothing has no code of its own: a question fails with "no broker answers", whether the broker is down or refuses us. Why it
// came to nothing is told apart by the second table, from what librdkafka and OpenSSL say meanwhile.
//
// Thread: any; constant.
#ifndef OPERATOR_KAFKA_ERROR_H
#define OPERATOR_KAFKA_ERROR_H

#include "operator/base/error.h"

// librdkafka's name without RD_KAFKA_RESP_ERR_, ours, what it means, what to do
#define RWD_KAFKA_ERROR_TABLE(X)                                                                                                                       \
    /* the broker is away, or busy: the same call works later */                                                                                       \
    X(_TRANSPORT, BROKER, "the connection to the broker broke", "is the broker up, and is its address right?")                                         \
    X(_ALL_BROKERS_DOWN, BROKER, "no broker can be reached", "is the broker up, and is its address right?")                                            \
    X(_RESOLVE, BROKER, "the broker's name cannot be resolved", "is the name right, and does DNS know it?")                                            \
    X(_TIMED_OUT, BROKER, "the broker did not answer in time", "is the broker up and not overloaded?")                                                 \
    X(_TIMED_OUT_QUEUE, BROKER, "the request was not sent in time", "is the broker up and not overloaded?")                                            \
    X(_MSG_TIMED_OUT, BROKER, "a record was not acknowledged in time", "is the broker up and not overloaded?")                                         \
    X(_WAIT_COORD, BROKER, "the group's coordinator is not known yet", "is __consumer_offsets healthy?")                                               \
    X(_IN_PROGRESS, BROKER, "an earlier request is still running", "")                                                                                 \
    X(_RETRY, BROKER, "the broker asks to try again", "")                                                                                              \
    X(REQUEST_TIMED_OUT, BROKER, "the broker did not finish in time", "are all replicas up?")                                                          \
    X(BROKER_NOT_AVAILABLE, BROKER, "the broker is not available", "is the broker up?")                                                                \
    X(LEADER_NOT_AVAILABLE, BROKER, "the partition has no leader now", "are the brokers of its replicas up?")                                          \
    X(NOT_LEADER_FOR_PARTITION, BROKER, "the partition's leader has moved", "")                                                                        \
    X(REPLICA_NOT_AVAILABLE, BROKER, "a replica is not available", "are the brokers of its replicas up?")                                              \
    X(PREFERRED_LEADER_NOT_AVAILABLE, BROKER, "the partition's leader is not available", "")                                                           \
    X(FENCED_LEADER_EPOCH, BROKER, "the partition's leader has changed", "")                                                                           \
    X(UNKNOWN_LEADER_EPOCH, BROKER, "the broker does not know its newest leader yet", "")                                                              \
    X(OFFSET_NOT_AVAILABLE, BROKER, "the new leader does not know its end yet", "")                                                                    \
    X(NETWORK_EXCEPTION, BROKER, "the broker lost the connection", "")                                                                                 \
    X(COORDINATOR_LOAD_IN_PROGRESS, BROKER, "the coordinator is loading", "")                                                                          \
    X(COORDINATOR_NOT_AVAILABLE, BROKER, "the coordinator is not available", "are the brokers of __consumer_offsets and __transaction_state up?")       \
    X(NOT_COORDINATOR, BROKER, "the coordinator has moved", "")                                                                                        \
    X(NOT_ENOUGH_REPLICAS, BROKER, "fewer replicas are in sync than the topic needs", "are all brokers up? look at min.insync.replicas")               \
    X(NOT_ENOUGH_REPLICAS_AFTER_APPEND, BROKER, "fewer replicas are in sync than the topic needs", "are all brokers up? look at min.insync.replicas")  \
    X(KAFKA_STORAGE_ERROR, BROKER, "the broker's disk fails", "look at the broker's log")                                                              \
    X(UNSTABLE_OFFSET_COMMIT, BROKER, "a transaction with this group's offset is still open", "")                                                      \
    X(CONCURRENT_TRANSACTIONS, BROKER, "the broker still ends an earlier transaction", "")                                                             \
    X(THROTTLING_QUOTA_EXCEEDED, BROKER, "the broker slows this client down", "")                                                                      \
    /* refused: a person must change something */                                                                                                      \
    X(_AUTHENTICATION, REFUSED, "the broker does not accept the credentials", "check sasl.username, sasl.password and sasl.mechanism")                 \
    X(SASL_AUTHENTICATION_FAILED, REFUSED, "the broker does not accept the credentials", "check sasl.username, sasl.password and sasl.mechanism")      \
    X(UNSUPPORTED_SASL_MECHANISM, REFUSED, "the broker does not offer this SASL mechanism", "check sasl.mechanism")                                    \
    X(ILLEGAL_SASL_STATE, REFUSED, "the broker did not expect SASL here", "check security.protocol and the port")                                      \
    X(_SSL, REFUSED, "TLS failed", "check ssl.ca.location, the certificate's dates and names, and the port")                                           \
    X(SECURITY_DISABLED, REFUSED, "the broker has no access control", "")                                                                              \
    X(TOPIC_AUTHORIZATION_FAILED, REFUSED, "permission on the topic is missing", "grant READ (source) or WRITE (sinks) and DESCRIBE on the topic")     \
    X(GROUP_AUTHORIZATION_FAILED, REFUSED, "permission on the consumer group is missing", "grant READ and DESCRIBE on the group")                      \
    X(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, REFUSED, "permission on the transactional id is missing", "grant WRITE and DESCRIBE on the transactional id") \
    X(CLUSTER_AUTHORIZATION_FAILED, REFUSED, "permission on the cluster is missing", "grant IDEMPOTENT_WRITE on the cluster")                          \
    X(UNKNOWN_TOPIC_OR_PART, TOPIC, "there is no such topic or partition", "create it, or correct its name in the job file")                           \
    X(_UNKNOWN_TOPIC, TOPIC, "there is no such topic", "create it, or correct its name in the job file")                                               \
    X(_UNKNOWN_PARTITION, TOPIC, "the topic has no such partition", "correct the partition in the job file")                                           \
    X(TOPIC_EXCEPTION, TOPIC, "the topic's name is not valid", "correct its name in the job file")                                                     \
    X(OFFSET_OUT_OF_RANGE, POSITION, "the offset is not in the partition", "")                                                                         \
    X(_AUTO_OFFSET_RESET, POSITION, "the offset is not in the partition any more, or not yet", "")                                                     \
    X(MSG_SIZE_TOO_LARGE, KAFKA, "a record is larger than the topic, or message.max.bytes here, accepts",                                              \
      "raise max.message.bytes of the topic, and message.max.bytes in the properties")                                                                 \
    X(RECORD_LIST_TOO_LARGE, KAFKA, "a batch of records is larger than the topic's segments", "lower batch.size in the properties")                    \
    X(INVALID_MSG_SIZE, KAFKA, "a record's size is refused", "raise fetch.message.max.bytes in the properties")                                        \
    X(INVALID_RECORD, KAFKA, "the broker refuses a record", "look at the topic's settings")                                                            \
    X(POLICY_VIOLATION, KAFKA, "the broker's policy refuses it", "look at the broker's settings")                                                      \
    X(OFFSET_METADATA_TOO_LARGE, KAFKA, "the broker accepts no 256 bytes of metadata with an offset", "raise offset.metadata.max.bytes of the broker") \
    X(INVALID_TRANSACTION_TIMEOUT, KAFKA, "the transaction's time-out is above the broker's", "raise transaction.max.timeout.ms of the broker")        \
    X(UNSUPPORTED_VERSION, KAFKA, "the broker is too old", "transactions with stable offsets need a broker of version 2.5 or newer")                   \
    X(_UNSUPPORTED_FEATURE, KAFKA, "the broker is too old", "transactions with stable offsets need a broker of version 2.5 or newer")                  \
    X(UNSUPPORTED_FOR_MESSAGE_FORMAT, KAFKA, "the topic's message format is too old", "transactions need message format 2")                            \
    X(UNSUPPORTED_COMPRESSION_TYPE, KAFKA, "the compression is not supported", "look at compression.type")                                             \
    X(INVALID_GROUP_ID, KAFKA, "the broker refuses the name of the group", "correct `group` in the job file")                                          \
    X(UNKNOWN_MEMBER_ID, FOREIGN, "the group has members: another program subscribes with its name", "give the job a group of its own: `group: NAME` in the job file") \
    /* the transaction's producer is done with; recovery reads what was committed (C6) */                                                              \
    X(PRODUCER_FENCED, PRODUCER, "another producer with this transactional id has begun", "")                                                          \
    X(_FENCED, PRODUCER, "another producer with this transactional id has begun", "")                                                                  \
    X(INVALID_PRODUCER_EPOCH, PRODUCER, "the broker has ended this producer's transactions", "")                                                       \
    X(INVALID_PRODUCER_ID_MAPPING, PRODUCER, "the broker has forgotten this transactional id", "")                                                     \
    X(UNKNOWN_PRODUCER_ID, PRODUCER, "the broker has forgotten this producer", "")                                                                     \
    X(INVALID_TXN_STATE, PRODUCER, "the broker has another idea of this transaction's state", "")                                                      \
    X(OUT_OF_ORDER_SEQUENCE_NUMBER, PRODUCER, "the broker has lost records of this producer", "")                                                      \
    X(TRANSACTION_COORDINATOR_FENCED, PRODUCER, "the transaction's coordinator has changed", "")                                                       \
    X(_FATAL, PRODUCER, "the producer cannot go on", "")                                                                                               \
    X(_PURGE_QUEUE, PRODUCER, "records of an aborted transaction were dropped", "")                                                                    \
    X(_PURGE_INFLIGHT, PRODUCER, "records of an aborted transaction were dropped", "")

// A refused connection: name, librdkafka's code (ANY: whichever), OpenSSL's number of why the broker's certificate does not hold (X509_V_ERR_*; 0: it has no part
// in it), a piece of librdkafka's words that tells it ("": any words), SURE or UNCLEAR, what it means, what to do. The first row that fits counts.
//
//   SURE     the broker has said so, or TLS has
//   UNCLEAR  it may also be a broker, or a proxy before it, that is just going away
#define RWD_KAFKA_REFUSAL_TABLE(X)                                                                                                                     \
    X(BROKER_EXPIRED, _SSL, 10, "certificate verify failed", SURE, "the broker's certificate has expired",                                             \
      "renew it on the broker; and is this machine's clock right?")                                                                                    \
    X(BROKER_TOO_EARLY, _SSL, 9, "certificate verify failed", SURE, "the broker's certificate is not valid yet", "is this machine's clock right?")     \
    X(BROKER_NAME, _SSL, 62, "certificate verify failed", SURE, "the broker's certificate is for another name",                                        \
      "use a name that the certificate has in `brokers` (and in advertised.listeners of the broker), or issue one for this name")                      \
    X(BROKER_ADDRESS, _SSL, 64, "certificate verify failed", SURE, "the broker's certificate is for another address",                                  \
      "use a name that the certificate has in `brokers` (and in advertised.listeners of the broker), or issue one for this address")                   \
    X(BROKER_REVOKED, _SSL, 23, "certificate verify failed", SURE, "the broker's certificate was revoked", "renew it on the broker")                   \
    X(BROKER_CA, _SSL, 0, "certificate verify failed", SURE, "the broker's certificate is not signed by a CA that this client trusts",                 \
      "set ssl.ca.location to the PEM file of the CA that signed it")                                                                                  \
    X(TLS_VERSION, ANY, 0, "alert protocol version", SURE, "the broker speaks another version of TLS", "look at ssl.protocol of the broker")           \
    X(NO_CERTIFICATE, ANY, 0, "alert certificate required", SURE, "the broker wants a certificate of this client",                                     \
      "set ssl.certificate.location and ssl.key.location")                                                                                             \
    X(CLIENT_EXPIRED, ANY, 0, "alert certificate expired", SURE, "the broker refuses this client's certificate: it has expired",                       \
      "renew the certificate that ssl.certificate.location names")                                                                                     \
    X(CLIENT_CA, ANY, 0, "alert unknown ca", SURE, "the broker refuses this client's certificate: it does not know the CA that signed it",             \
      "have it signed by a CA of the broker's truststore, or add its CA there")                                                                        \
    X(CLIENT_REVOKED, ANY, 0, "alert certificate revoked", SURE, "the broker refuses this client's certificate: it was revoked",                       \
      "renew the certificate that ssl.certificate.location names")                                                                                     \
    X(CLIENT_CERTIFICATE, ANY, 0, "alert certificate unknown", SURE, "the broker refuses this client's certificate",                                   \
      "is it signed by a CA of the broker's truststore, and still valid? the broker's log has the reason")                                             \
    X(CLIENT_BAD, ANY, 0, "alert bad certificate", SURE, "the broker refuses this client's certificate",                                               \
      "is it signed by a CA of the broker's truststore, and still valid? the broker's log has the reason")                                             \
    X(TLS_HANDSHAKE, ANY, 0, "alert handshake failure", SURE, "the broker ends the TLS handshake",                                                     \
      "does it want a certificate (ssl.certificate.location), or other ciphers (ssl.cipher.suites)?")                                                  \
    X(NOT_TLS, _SSL, 0, "wrong version number", SURE, "what answers on this port is not TLS", "check security.protocol and the port")                  \
    X(NO_TLS_THERE, _SSL, 0, "unexpected eof", UNCLEAR, "the connection ends in the TLS handshake",                                                    \
      "is this a port for TLS? check security.protocol and the port")                                                                                  \
    X(NO_SASL_THERE, _AUTHENTICATION, 0, "Request not valid in current SASL state", SURE, "the broker's listener does not use SASL",                   \
      "check security.protocol and the port")                                                                                                          \
    X(MECHANISM, _AUTHENTICATION, 0, "Unsupported SASL mechanism", SURE, "the broker does not offer this SASL mechanism",                              \
      "set sasl.mechanism to one that it offers")                                                                                                      \
    X(CREDENTIALS, _AUTHENTICATION, 0, "SASL authentication error", SURE, "the broker does not accept the user name or the password",                  \
      "check sasl.username, sasl.password and sasl.mechanism")                                                                                         \
    X(SASL_CUT, _AUTHENTICATION, 0, "", UNCLEAR, "authentication comes to nothing", "check sasl.mechanism, and the broker's log")                      \
    X(TLS_WANTED, _TRANSPORT, 0, "connecting to a SSL listener", UNCLEAR, "the broker ends each connection at the first request",                      \
      "does this port want TLS? check security.protocol (ssl or sasl_ssl) and the port")                                                               \
    X(SASL_WANTED, _TRANSPORT, 0, "broker might require SASL", UNCLEAR, "the broker ends each connection at the second request",                       \
      "does this port want SASL? check security.protocol (sasl_plaintext or sasl_ssl) and the port")                                                   \
    X(TLS_OTHER, _SSL, 0, "", UNCLEAR, "TLS failed", "check ssl.ca.location, ssl.certificate.location, security.protocol and the port")

#endif
