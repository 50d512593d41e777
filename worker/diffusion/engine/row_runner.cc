#include "worker/diffusion/engine/row_runner.h"

#include <algorithm>
#include <numeric>

#include "worker/diffusion/machine_fault.h"

namespace mind::diffusion {

RowRunner::Outcome RowRunner::Run(const Denoiser& denoiser, const std::vector<EvaluationRow>& rows,
                                  size_t at_once) {
  Outcome outcome{.results = std::vector<RowResult>(rows.size()), .fits = std::nullopt};
  std::vector<size_t> places(rows.size());
  std::iota(places.begin(), places.end(), size_t{0});
  size_t size = std::min(at_once, rows.size());
  for (bool last = false;; last = size == 1, size = std::max<size_t>(size / 2, 1)) {
    std::vector<size_t> lacking;
    for (size_t begin = 0; begin < places.size(); begin += size) {
      const size_t end = std::min(begin + size, places.size());
      const std::vector<size_t> part(places.begin() + static_cast<std::ptrdiff_t>(begin),
                                     places.begin() + static_cast<std::ptrdiff_t>(end));
      const std::vector<size_t> again = RunPart(denoiser, rows, part, outcome.results);
      lacking.insert(lacking.end(), again.begin(), again.end());
    }
    if (lacking.empty() || last) break;
    free_memory_();
    outcome.fits = std::max<size_t>(size / 2, 1);
    places = std::move(lacking);
  }
  return outcome;
}

std::vector<size_t> RowRunner::RunPart(const Denoiser& denoiser, const std::vector<EvaluationRow>& rows,
                                       const std::vector<size_t>& places, std::vector<RowResult>& results) {
  std::vector<RowResult> part;
  if (places.size() == rows.size()) {
    part = executor_->Run(denoiser, rows);
  } else {
    std::vector<EvaluationRow> some;
    for (const size_t place : places) some.push_back(rows[place]);
    part = executor_->Run(denoiser, some);
  }
  std::vector<size_t> lacking;
  for (size_t i = 0; i < places.size(); ++i) {
    if (IsOutOfMemory(part[i].error)) lacking.push_back(places[i]);
    results[places[i]] = std::move(part[i]);
  }
  return lacking;
}

}  // namespace mind::diffusion
