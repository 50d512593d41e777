#include "server/generation/kept_prices.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace mind::server {
namespace {

// Relative; what is nearer is the same price.
constexpr double kVaries = 0.1;

bool IsNear(absl::Duration one, absl::Duration other) {
  const double a = absl::ToDoubleSeconds(one), b = absl::ToDoubleSeconds(other);
  return std::abs(a - b) <= kVaries * std::max(a, b);
}

}  // namespace

absl::Status KeptPrices::TakeUp() {
  absl::StatusOr<std::vector<StoredPrice>> prices = state_.store.Prices();
  if (!prices.ok()) return prices.status();
  for (StoredPrice& price : *prices) {
    const auto model = state_.catalog.models().find(price.model);
    if (model == state_.catalog.models().end() || model->second.revision() != price.revision) continue;
    state_.dispatcher.SetPrice(price.model, {.row = absl::ToDoubleSeconds(price.row),
                                             .row_megapixel = absl::ToDoubleSeconds(price.row_megapixel)});
    kept_[price.model] = std::move(price);
  }
  return absl::OkStatus();
}

void KeptPrices::OnTick() {
  const absl::Duration now = state_.options.steady_clock();
  if (now < next_) return;
  next_ = now + kInterval;
  Write();
}

void KeptPrices::Write() {
  for (const auto& [name, price] : state_.dispatcher.KnownPrices()) {
    const auto model = state_.catalog.models().find(name);
    if (model == state_.catalog.models().end()) continue;
    const StoredPrice now = {.model = name,
                             .revision = model->second.revision(),
                             .row = absl::Seconds(price.row),
                             .row_megapixel = absl::Seconds(price.row_megapixel)};
    const auto kept = kept_.find(name);
    if (kept != kept_.end() && kept->second.revision == now.revision && IsNear(kept->second.row, now.row) &&
        IsNear(kept->second.row_megapixel, now.row_megapixel)) {
      continue;
    }
    kept_[name] = now;
    state_.ledger.Write(SavePrice{now});
  }
}

}  // namespace mind::server
