// Objects at an S3 endpoint: Amazon's own, or any other that speaks so.
#ifndef MIND_SERVER_STORE_S3_OBJECT_STORE_H_
#define MIND_SERVER_STORE_S3_OBJECT_STORE_H_

#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "proto/support/http_client.h"
#include "proto/support/labelled_metric.h"
#include "server/store/object_store.h"
#include "server/store/s3_error.h"
#include "server/store/s3_options.h"
#include "server/store/s3_signature.h"

namespace mind::server {

// Every request names the bucket in its path, is signed, and is tried three times within fifteen seconds.
class S3ObjectStore : public ObjectStore {
 public:
  // INVALID_ARGUMENT: the authorities cannot be read.
  static absl::StatusOr<std::unique_ptr<S3ObjectStore>> Open(const S3Options& options,
                                                             prometheus::Registry& registry);

  // Writes a small object and waits for that: whether all is as it has to be.
  absl::Status TryOut();

  size_t above() const override { return options_.above; }
  void Put(const StoredObject& object, std::shared_ptr<const std::string> data,
           std::function<void(absl::Status)> done) override;
  void Get(const StoredObject& object,
           std::function<void(absl::StatusOr<std::optional<std::string>>)> done) override;
  void Delete(const std::string& key) override;
  v1::Upload Grant(const std::string& key, const std::string& media_type) const override;
  void Check(const std::string& key, const v1::UploadedFile& file,
             std::function<void(absl::Status)> done) override;

 private:
  S3ObjectStore(const S3Options& options, prometheus::Registry& registry);

  using Answered = std::function<void(const absl::Status&, const HttpCall::Answer&)>;
  // Sends a signed request about an object; `what` is for the metrics. The answer is empty where there is
  // none.
  void Ask(const std::string& what, const std::string& method, const std::string& key, std::string body,
           const std::string& body_hash, Answered answered);
  void AskThrough(HttpClient& client, absl::Duration limit, const std::string& what,
                  const std::string& method, const std::string& key, std::string body,
                  const std::string& body_hash, Answered answered);
  S3Request RequestFor(const std::string& method, const std::string& key) const;

  const S3Options options_;
  const S3Signer signer_;
  LabelledCounter failures_;   // request
  LabelledHistogram seconds_;  // request
  // Set by Open; their threads use all of the above. What is deleted goes a way of its own: a purge deletes
  // by the thousand, and commits wait for what is put.
  std::unique_ptr<HttpClient> client_, deleting_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_S3_OBJECT_STORE_H_
