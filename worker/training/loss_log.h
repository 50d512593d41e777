// The course of a run: loss.csv, and a curve of it, loss.png.
#ifndef MIND_WORKER_TRAINING_LOSS_LOG_H_
#define MIND_WORKER_TRAINING_LOSS_LOG_H_

#include <cstdint>
#include <string>
#include <vector>

namespace mind::training {

struct LossRow {
  int64_t step = 0;
  double loss = 0;  // mean since the row before
  double rate = 0;  // of learning
};

class LossLog {
 public:
  // Reads what is in the folder, but forgets rows after `step`: the run goes on from there.
  LossLog(const std::string& folder, int64_t step);

  void Add(const LossRow& row);
  const std::vector<LossRow>& rows() const { return rows_; }

  // Writes both files.
  void Save() const;

 private:
  const std::string folder_;
  std::vector<LossRow> rows_;
};

// A curve over steps, the losses on a logarithmic scale, as a PNG file.
std::string DrawCurve(const std::vector<LossRow>& rows);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_LOSS_LOG_H_
