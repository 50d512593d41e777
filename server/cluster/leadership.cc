#include "server/cluster/leadership.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/logging.h"

namespace mind::server {

void Leadership::Begin(uint64_t term) {
  const auto reign = std::make_shared<Reign>(options_.service.post);
  reign->term = term;
  reign_ = reign;
  options_.elsewhere([this, reign, loop = options_.service.post] {
    const absl::Status prepared = Prepare(*reign);
    loop([this, reign, prepared] { Serve(reign, prepared); });
  });
}

absl::Status Leadership::Prepare(Reign& reign) const {
  absl::StatusOr<std::unique_ptr<JobStore>> store = options_.open(reign.term);
  if (!store.ok()) return store.status();
  reign.store = *std::move(store);
  ServiceOptions options = options_.service;
  options.post = reign.gate.post();
  options.term_over = [post = options.post, lost = options_.lost, term = reign.term] {
    post([lost, term] { lost(term, "the store has been taken by another front"); });
  };
  options.store_broken = [post = options.post, lost = options_.lost,
                          term = reign.term](const absl::Status& why) {
    // What the store has is the next leader's to go on with; what it has not was promised to nobody.
    post([lost, term, why] { lost(term, absl::StrCat("the store refuses to write: ", why.message())); });
  };
  reign.service = std::make_unique<GenerationService>(options, *reign.store, metrics_);
  return reign.service->Recover();
}

void Leadership::Serve(const std::shared_ptr<Reign>& reign, const absl::Status& prepared) {
  if (reign != reign_) {
    // The term was over before it was ready.
    reign->gate.Close();
    reign->service.reset();
    options_.elsewhere([reign] { reign->store.reset(); });
    return;
  }
  if (!prepared.ok()) {
    LogError("cannot take up the jobs", {{"term", reign->term}, {"error", std::string(prepared.message())}});
    return options_.lost(reign->term, absl::StrCat("cannot take up the jobs: ", prepared.message()));
  }
  reign->serves = true;
  reign->gate.Open();
  seat_.Take(*reign->service);
  reign->service->OnServingChange(options_.serving);
  LogInfo("serves as leader", {{"term", reign->term}});
}

void Leadership::End() {
  const std::shared_ptr<Reign> reign = std::exchange(reign_, nullptr);
  // One that is still being made ready goes when it is (Serve).
  if (reign == nullptr || !reign->serves) return;
  reign->gate.Close();
  seat_.Vacate();
  reign->service.reset();
  reign->store->GiveUp();
  options_.elsewhere([reign] { reign->store.reset(); });
  // What waits and runs is another's to tell.
  metrics_.Describe(Dispatcher(options_.service.dispatcher), options_.service.max_queue);
}

void Leadership::OnTick() {
  if (reign_ != nullptr && reign_->serves) reign_->service->OnTick();
}

void Leadership::OnFrozen() {
  if (reign_ == nullptr || !reign_->serves || reign_->service->has_room()) return;
  options_.lost(reign_->term, "holds all that it can of what cannot be written");
}

}  // namespace mind::server
