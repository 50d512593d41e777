#include "worker/diffusion/golden/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <sstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

void Report::Count(const std::string& name) {
  ++cases_[name.substr(0, name.find('/'))];
  names_.insert(name);
}

void Report::Run(const std::string& name, const std::function<void(Case&)>& check) {
  Count(name);
  Case result(least_tolerance_);
  std::string failure;
  try {
    const c10::InferenceMode inference;
    check(result);
    const std::string inputs = result.Unused("in.");
    if (!inputs.empty()) throw UnsupportedError("the inputs " + inputs);
    failure = result.Verdict();
  } catch (const UnsupportedError& e) {
    unsupported_.push_back(name + ": " + e.what());
    return;
  } catch (const c10::Error& e) {
    failure = e.what_without_backtrace();
  } catch (const std::exception& e) {
    failure = e.what();
  }
  if (failure.empty()) {
    ++passed_;
  } else {
    failures_.push_back(name + ": " + failure);
  }
  std::printf("%-4s %-48s error %.2e  tolerance %.0e  (%s, %d comparisons)%s%s\n",
              failure.empty() ? "ok" : "FAIL", name.c_str(), result.worst_error_, result.worst_tolerance_,
              result.worst_what_.empty() ? "-" : result.worst_what_.c_str(), result.comparisons_,
              failure.empty() ? "" : "  ", failure.c_str());
  std::fflush(stdout);
}

void Report::Fail(const std::string& name, const std::string& why) {
  failures_.push_back(name + ": " + why);
  std::printf("FAIL %-48s %s\n", name.c_str(), why.c_str());
  std::fflush(stdout);
}

void Report::Unsupported(const std::string& name, const std::string& why) {
  unsupported_.push_back(name + ": " + why);
}

void Report::PrintSummary() const {
  for (const std::string& line : unsupported_) std::printf("unsupported: %s\n", line.c_str());
  std::printf("%d passed, %zu failed, %zu unsupported\n", passed_, failures_.size(), unsupported_.size());
}

std::string Report::Case::Verdict() const {
  if (!mismatch_.empty()) return mismatch_;
  if (comparisons_ == 0) return "nothing was compared";
  if (!(worst_ratio_ <= 1)) return "out of tolerance";
  const std::string unused = Unused("");
  return unused.empty() ? "" : "recorded and used by nothing: " + unused;
}

std::string Report::Case::Unused(const std::string& prefix) const {
  std::string unused;
  for (const Record& record : records_) {
    for (const std::string& name : record.Unused()) {
      if (name.rfind(prefix, 0) == 0) unused += (unused.empty() ? "" : ", ") + name;
    }
  }
  return unused;
}

void Report::Case::Compare(const std::string& what, const at::Tensor& actual, const at::Tensor& expected,
                           double tolerance) {
  ++comparisons_;
  if (actual.sizes() != expected.sizes()) {
    mismatch_ =
        what + " has shape " + ShapeText(actual.sizes()) + ", expected " + ShapeText(expected.sizes());
    return;
  }
  const at::Tensor a = actual.to(at::kCPU, at::kDouble);
  const at::Tensor e = expected.to(at::kCPU, at::kDouble);
  const double scale = std::max(e.abs().max().item<double>(), std::numeric_limits<double>::min());
  const double difference = (a - e).abs().max().item<double>();
  NoteWorst(what, std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference / scale,
            std::max(tolerance, least_tolerance_));
}

void Report::Case::Expect(bool holds, const std::string& otherwise) {
  ++comparisons_;
  NoteWorst("-", holds ? 0 : 1, 1);
  if (!holds && mismatch_.empty()) mismatch_ = otherwise;
}

void Report::Case::ExpectEqual(const std::string& what, const std::vector<int64_t>& actual,
                               const std::vector<int64_t>& expected) {
  ++comparisons_;
  if (actual == expected) {
    NoteWorst(what, 0, 0);
    return;
  }
  std::ostringstream out;
  out << what << ": found " << at::IntArrayRef(actual) << ", expected " << at::IntArrayRef(expected);
  mismatch_ = out.str();
}

void Report::Case::NoteWorst(const std::string& what, double error, double tolerance) {
  const double ratio = error == 0 ? 0 : error / tolerance;
  if (ratio <= worst_ratio_) return;
  worst_ratio_ = ratio;
  worst_error_ = error;
  worst_tolerance_ = tolerance;
  worst_what_ = what;
}

}  // namespace mind::diffusion
