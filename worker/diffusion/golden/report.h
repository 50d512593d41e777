// What mind-golden prints: a line a case, a summary, an exit status.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_REPORT_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_REPORT_H_

#include <ATen/ATen.h>

#include <functional>
#include <string>
#include <vector>

namespace mind::diffusion {

class Report {
 public:
  // `least_tolerance`: cases are not held to less.
  explicit Report(double least_tolerance = 0) : least_tolerance_(least_tolerance) {}

  // Runs one case. `check` compares through the Case it gets; what it throws decides the line: nothing means
  // passed unless a comparison was off, UnsupportedError means not supported yet, anything else failed.
  class Case;
  void Run(const std::string& name, const std::function<void(Case&)>& check);

  // Prints the list of what is not supported and the line "N passed, M failed, K unsupported".
  void PrintSummary() const;
  bool ok() const { return failed_ == 0; }

 private:
  const double least_tolerance_;
  int passed_ = 0;
  int failed_ = 0;
  std::vector<std::string> unsupported_;
};

class Report::Case {
 public:
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

  const double least_tolerance_;
  int comparisons_ = 0;
  double worst_ratio_ = -1;  // error / tolerance, of the worst comparison
  double worst_error_ = 0, worst_tolerance_ = 0;
  std::string worst_what_;
  std::string mismatch_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_REPORT_H_
