// The models that workers have offered: what each can be asked, and whether somebody serves it.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_GENERATION_MODEL_CATALOG_H_
#define MIND_SERVER_GENERATION_MODEL_CATALOG_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mind/v1/image.pb.h"
#include "mind/v1/worker.pb.h"
#include "server/generation/validate.h"

namespace mind::server {

class ModelCatalog {
 public:
  // A model that no connected worker has offered for longer is no longer what a request that names none
  // means.
  explicit ModelCatalog(absl::Duration memory) : memory_(memory) {}

  // A model of an earlier run of the server: as if offered until now.
  void Remember(v1::Model model, absl::Time now);
  // INVALID_ARGUMENT names the model that is not fully described.
  static absl::Status Check(const v1::Register& registration);
  // A worker's offer, in place of its earlier one. Returns the models that are new or described anew.
  // REQUIRES: Check.
  std::vector<v1::Model> Offer(const v1::Register& registration, absl::Time now);
  // What a worker has measured of the scorers beside models that it offers.
  void Measured(const std::string& worker, const v1::Capacity& capacity);
  // The worker has gone.
  void Withdraw(const std::string& worker, absl::Time now);

  const Models& models() const { return models_; }
  // Whether a connected worker offers it.
  bool IsServed(const std::string& model) const;
  // What a request that names none may mean: the names of the models that fit it (default_model.h) of those
  // that are served, or were until lately. If it is one, that is meant.
  std::vector<std::string> Meant(const v1::ImageSpec& spec, absl::Time now) const;

 private:
  const absl::Duration memory_;
  Models models_;
  std::map<std::string, std::set<std::string>> offers_;  // by worker
  std::map<std::string, absl::Time> last_offered_;       // models that nobody offers now
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_MODEL_CATALOG_H_
