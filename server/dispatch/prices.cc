#include "server/dispatch/prices.h"

#include <algorithm>

namespace mind::server {
namespace {

// A report counts half after so many others, about.
constexpr double kFade = 0.99;
// Reports between two looks at how time grows with size; no fewer than workers, as each look visits them all.
constexpr int kLookEvery = 32;
// Sizes that differ by less, relative to their mean, are one size.
constexpr double kOneSize = 0.05;

}  // namespace

void Prices::Fit::Add(double megapixels, double seconds) {
  n = n * kFade + 1;
  x = x * kFade + megapixels;
  y = y * kFade + seconds;
  xx = xx * kFade + megapixels * megapixels;
  xy = xy * kFade + megapixels * seconds;
}

Price Prices::Fit::Shape() const {
  if (n == 0) return {.row = 1};
  const Price proportional = {.row_megapixel = 1};
  const double mean = x / n;
  const double spread = xx / n - mean * mean;
  if (spread <= kOneSize * kOneSize * mean * mean) return proportional;
  const double slope = (xy / n - mean * y / n) / spread;
  if (slope <= 0) return {.row = 1};
  const double at_zero = y / n - slope * mean;
  return at_zero <= 0 ? proportional : Price{.row = at_zero, .row_megapixel = slope};
}

bool Prices::Report(const std::string& worker, const std::string& name, double row_seconds,
                    double megapixels) {
  Model& model = models_[name];
  const auto [entry, added] = model.workers.try_emplace(worker);
  Measured& measured = entry->second;
  if (!added && measured.row_seconds == row_seconds &&
      (megapixels == 0 || measured.megapixels == megapixels)) {
    return false;
  }
  if (megapixels > 0) {
    measured.megapixels = megapixels;
    model.fit.Add(megapixels, row_seconds);
  }
  measured.row_seconds = row_seconds;
  const double factor = row_seconds / model.shape.OfRow(measured.megapixels > 0 ? measured.megapixels : 1);
  model.factors += factor - measured.factor;
  measured.factor = factor;
  if (++model.since_shape >= std::max(kLookEvery, static_cast<int>(model.workers.size())) ||
      (megapixels > 0 && model.fit.n == 1)) {
    Reshape(model);
  }
  return Reprice(model);
}

bool Prices::Forget(const std::string& worker, const std::string& name) {
  const auto model = models_.find(name);
  if (model == models_.end()) return false;
  const auto measured = model->second.workers.find(worker);
  if (measured == model->second.workers.end()) return false;
  model->second.factors -= measured->second.factor;
  model->second.workers.erase(measured);
  return Reprice(model->second);
}

void Prices::Reshape(Model& model) {
  model.since_shape = 0;
  model.shape = model.fit.Shape();
  model.factors = 0;
  for (auto& [name, measured] : model.workers) {
    measured.factor =
        measured.row_seconds / model.shape.OfRow(measured.megapixels > 0 ? measured.megapixels : 1);
    model.factors += measured.factor;
  }
}

bool Prices::Reprice(Model& model) {
  if (model.workers.empty()) return false;
  const double factor = model.factors / static_cast<double>(model.workers.size());
  const Price price = {.row = model.shape.row * factor, .row_megapixel = model.shape.row_megapixel * factor};
  if (price.row == model.price.row && price.row_megapixel == model.price.row_megapixel) return false;
  model.price = price;
  return true;
}

const Price* Prices::Find(const std::string& model) const {
  const auto found = models_.find(model);
  return found == models_.end() ? nullptr : &found->second.price;
}

std::map<std::string, Price> Prices::All() const {
  std::map<std::string, Price> all;
  for (const auto& [name, model] : models_) all[name] = model.price;
  return all;
}

}  // namespace mind::server
