// What mind-golden prints: a line a case, a summary, an exit status.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_REPORT_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_REPORT_H_

#include <ATen/ATen.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "worker/diffusion/golden/record.h"

namespace mind::diffusion {

class Report {
 public:
  // Cases run from now on are not held to less than this, relative to the largest value; 0: to what they say.
  void set_least_tolerance(double tolerance) { least_tolerance_ = tolerance; }

  // Runs one case. `check` compares through the Case it gets; what it throws decides the line: nothing means
  // passed unless a comparison was off or a tensor of a record was used by nobody; UnsupportedError, or an
  // input that was used by nobody, means not supported yet; anything else failed.
  class Case;
  void Run(const std::string& name, const std::function<void(Case&)>& check);
  // A case that cannot even be run.
  void Fail(const std::string& name, const std::string& why);
  void Unsupported(const std::string& name, const std::string& why);

  // Prints the list of what is not supported and the line "N passed, M failed, K unsupported".
  void PrintSummary() const;
  // Something passed, and nothing failed or is unsupported.
  bool ok() const { return passed_ > 0 && failures_.empty() && unsupported_.empty(); }

  // "case: why", in order.
  const std::vector<std::string>& failures() const { return failures_; }
  const std::vector<std::string>& unsupported() const { return unsupported_; }
  // How many cases were run, by the first part of their names: "e2e" of "e2e/dit".
  const std::map<std::string, int64_t>& cases() const { return cases_; }
  // Whether a case of this name was run.
  bool HasRun(const std::string& name) const { return names_.count(name) != 0; }

 private:
  void Count(const std::string& name);

  double least_tolerance_ = 0;
  int passed_ = 0;
  std::vector<std::string> failures_;
  std::vector<std::string> unsupported_;
  std::map<std::string, int64_t> cases_;
  std::set<std::string> names_;
};

class Report::Case {
 public:
  // A record of this case's own: each of its tensors must be used. Lives as long as the case.
  const Record& Open(const std::filesystem::path& file) { return records_.emplace_back(file); }

  // The largest difference relative to the largest value expected must not exceed `tolerance`.
  void Compare(const std::string& what, const at::Tensor& actual, const at::Tensor& expected,
               double tolerance);
  // Counts as a comparison; fails with `otherwise` unless it holds.
  void Expect(bool holds, const std::string& otherwise);
  void ExpectEqual(const std::string& what, const std::vector<int64_t>& actual,
                   const std::vector<int64_t>& expected);

 private:
  friend class Report;
  explicit Case(double least_tolerance) : least_tolerance_(least_tolerance) {}
  void NoteWorst(const std::string& what, double error, double tolerance);
  // The names of tensors that begin so and were used by nothing.
  std::string Unused(const std::string& prefix) const;
  // What is wrong with the case; empty: nothing.
  std::string Verdict() const;

  const double least_tolerance_;
  std::deque<Record> records_;
  int comparisons_ = 0;
  double worst_ratio_ = -1;  // error / tolerance, of the worst comparison
  double worst_error_ = 0, worst_tolerance_ = 0;
  std::string worst_what_;
  std::string mismatch_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_REPORT_H_
