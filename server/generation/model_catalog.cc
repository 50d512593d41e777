#include "server/generation/model_catalog.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/generation/default_model.h"

namespace mind::server {
namespace {

// What a gradient may be said to take: no worker's word makes it free, or a job dearer than any can be.
constexpr double kFewestScorerRows = 0.01, kMostScorerRows = 1000;

}  // namespace

void ModelCatalog::Remember(v1::Model model, absl::Time now) {
  last_offered_[model.name()] = now;
  std::string name = model.name();
  models_[std::move(name)] = std::move(model);
}

absl::Status ModelCatalog::Check(const v1::Register& registration) {
  for (const v1::Model& model : registration.models()) {
    if (model.size_multiple() == 0 || model.max_steps() == 0 || model.name().empty()) {
      return InvalidField("register.models",
                          absl::StrCat("model \"", Printable(model.name()), "\" is not fully described"));
    }
  }
  return absl::OkStatus();
}

std::vector<v1::Model> ModelCatalog::Offer(const v1::Register& registration, absl::Time now) {
  Withdraw(registration.name(), now);
  std::vector<v1::Model> changed;
  for (const v1::Model& model : registration.models()) {
    offers_[registration.name()].insert(model.name());
    last_offered_.erase(model.name());
    v1::Model& known = models_[model.name()];
    v1::Model described = model;
    // Measured, not described.
    if (described.has_scorer()) described.mutable_scorer()->set_rows(known.scorer().rows());
    if (google::protobuf::util::MessageDifferencer::Equals(known, described)) continue;
    known = std::move(described);
    changed.push_back(known);
  }
  return changed;
}

void ModelCatalog::Measured(const std::string& worker, const v1::Capacity& capacity) {
  const auto offered = offers_.find(worker);
  if (offered == offers_.end()) return;
  for (const v1::ModelSpeed& speed : capacity.speeds()) {
    const double rows = speed.scorer_rows();
    if (!std::isfinite(rows) || rows <= 0 || offered->second.count(speed.model()) == 0) continue;
    v1::Model& model = models_[speed.model()];
    if (model.has_scorer())
      model.mutable_scorer()->set_rows(std::clamp(rows, kFewestScorerRows, kMostScorerRows));
  }
}

void ModelCatalog::Withdraw(const std::string& worker, absl::Time now) {
  const auto found = offers_.find(worker);
  if (found == offers_.end()) return;
  const std::set<std::string> offered = std::move(found->second);
  offers_.erase(found);
  for (const std::string& model : offered) {
    if (!IsServed(model)) last_offered_[model] = now;
  }
}

bool ModelCatalog::IsServed(const std::string& model) const {
  for (const auto& [worker, offered] : offers_) {
    if (offered.count(model) != 0) return true;
  }
  return false;
}

std::vector<std::string> ModelCatalog::Meant(const v1::ImageSpec& spec, absl::Time now) const {
  std::vector<const v1::Model*> served;
  for (const auto& [name, model] : models_) {
    const auto last = last_offered_.find(name);
    if (last != last_offered_.end() && now - last->second > memory_) continue;
    served.push_back(&model);
  }
  std::vector<std::string> names;
  for (const v1::Model* model : ModelsMeant(spec, served)) names.push_back(model->name());
  return names;
}

}  // namespace mind::server
