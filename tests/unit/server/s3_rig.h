// An object store at the S3 endpoint of tests.
#ifndef MIND_TESTS_UNIT_SERVER_S3_RIG_H_
#define MIND_TESTS_UNIT_SERVER_S3_RIG_H_

#include <memory>
#include <string>

#include "prometheus/registry.h"
#include "server/store/s3_object_store.h"
#include "tests/support/s3_server.h"

namespace mind::server {

inline S3Options OptionsFor(const support::S3Server& server, const std::string& prefix = "") {
  S3Options options;
  options.endpoint = *ParseWebUrl(server.url());
  options.bucket = support::S3Server::kBucket;
  options.prefix = prefix;
  options.region = support::S3Server::kRegion;
  options.credentials = {support::S3Server::kKey, support::S3Server::kSecret, ""};
  return options;
}

inline std::unique_ptr<S3ObjectStore> OpenS3(const S3Options& options) {
  static prometheus::Registry registry;
  return *S3ObjectStore::Open(options, registry);
}

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_S3_RIG_H_
