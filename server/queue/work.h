// What is left to do, and what it costs.
#ifndef MIND_SERVER_QUEUE_WORK_H_
#define MIND_SERVER_QUEUE_WORK_H_

#include <cstdint>

namespace mind::server {

struct Work {
  double rows = 0;            // of the denoiser
  double row_megapixels = 0;  // each row times the size of its picture
  int64_t steps = 0;

  Work& operator+=(const Work& other) {
    rows += other.rows;
    row_megapixels += other.row_megapixels;
    steps += other.steps;
    return *this;
  }
  Work& operator-=(const Work& other) {
    rows -= other.rows;
    row_megapixels -= other.row_megapixels;
    steps -= other.steps;
    return *this;
  }
  friend Work operator+(Work a, const Work& b) { return a += b; }
  friend Work operator*(const Work& work, int64_t times) {
    return {work.rows * static_cast<double>(times), work.row_megapixels * static_cast<double>(times),
            work.steps * times};
  }
};

// What one row of a model takes: a part that is always there, and a part that grows with the picture.
struct Price {
  double row = 0;            // seconds
  double row_megapixel = 0;  // seconds

  double OfRow(double megapixels) const { return row + row_megapixel * megapixels; }
  double Of(const Work& work) const { return row * work.rows + row_megapixel * work.row_megapixels; }
};

}  // namespace mind::server

#endif  // MIND_SERVER_QUEUE_WORK_H_
