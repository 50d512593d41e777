#include "worker/training/loss_log.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "worker/image/encode.h"
#include "worker/training/files.h"

namespace mind::training {
namespace {

constexpr char kHeader[] = "step,loss,learning_rate";
constexpr int kWidth = 800, kHeight = 400, kMargin = 20;

class Canvas {
 public:
  Canvas() : data_(static_cast<size_t>(kWidth) * kHeight * 3, 255) {}

  void Set(int x, int y, uint8_t red, uint8_t green, uint8_t blue) {
    if (x < 0 || y < 0 || x >= kWidth || y >= kHeight) return;
    uint8_t* const pixel = &data_[(static_cast<size_t>(y) * kWidth + static_cast<size_t>(x)) * 3];
    pixel[0] = red, pixel[1] = green, pixel[2] = blue;
  }
  void Line(double x0, double y0, double x1, double y1, uint8_t red, uint8_t green, uint8_t blue) {
    const int points = static_cast<int>(std::max({std::abs(x1 - x0), std::abs(y1 - y0), 1.0}));
    for (int i = 0; i <= points; ++i) {
      const double t = static_cast<double>(i) / points;
      Set(static_cast<int>(std::lround(x0 + t * (x1 - x0))),
          static_cast<int>(std::lround(y0 + t * (y1 - y0))), red, green, blue);
    }
  }
  std::string Png() const { return image::EncodePng({data_.data(), kWidth, kHeight}, ""); }

 private:
  std::vector<uint8_t> data_;
};

}  // namespace

LossLog::LossLog(const std::string& folder, int64_t step) : folder_(folder) {
  std::ifstream file(folder_ + "/loss.csv");
  for (std::string line; std::getline(file, line);) {
    LossRow row;
    if (std::sscanf(line.c_str(), "%ld,%lf,%lf", &row.step, &row.loss, &row.rate) == 3 && row.step <= step)
      rows_.push_back(row);
  }
}

void LossLog::Add(const LossRow& row) {
  rows_.push_back(row);
}

void LossLog::Save() const {
  std::ostringstream csv;
  csv << kHeader << "\n";
  csv.precision(9);
  for (const LossRow& row : rows_) csv << row.step << "," << row.loss << "," << row.rate << "\n";
  WriteFile(folder_ + "/loss.csv", csv.str());
  WriteFile(folder_ + "/loss.png", DrawCurve(rows_));
}

std::string DrawCurve(const std::vector<LossRow>& rows) {
  Canvas canvas;
  double low = 1e300, high = 0;
  int64_t last = 1;
  for (const LossRow& row : rows) {
    if (!(row.loss > 0) || !std::isfinite(row.loss)) continue;
    low = std::min(low, row.loss);
    high = std::max(high, row.loss);
    last = std::max(last, row.step);
  }
  if (high == 0) return canvas.Png();
  // Whole powers of ten, with a line at each and thin ones between.
  const double bottom = std::floor(std::log10(low)), top = std::max(std::ceil(std::log10(high)), bottom + 1);
  const auto x_of = [&](double step) {
    return kMargin + step / static_cast<double>(last) * (kWidth - 2 * kMargin);
  };
  const auto y_of = [&](double loss) {
    return kHeight - kMargin - (std::log10(loss) - bottom) / (top - bottom) * (kHeight - 2 * kMargin);
  };
  for (double decade = bottom; decade < top; ++decade) {
    for (int digit = 1; digit <= 10; ++digit) {
      const double y = y_of(digit * std::pow(10, decade));
      const uint8_t grey = digit == 1 || digit == 10 ? 150 : 225;
      canvas.Line(kMargin, y, kWidth - kMargin, y, grey, grey, grey);
    }
  }
  for (int tenth = 0; tenth <= 10; ++tenth) {
    const double x = x_of(static_cast<double>(last) * tenth / 10);
    canvas.Line(x, kHeight - kMargin, x, kHeight - kMargin + 5, 100, 100, 100);
  }
  const LossRow* before = nullptr;
  for (const LossRow& row : rows) {
    if (!(row.loss > 0) || !std::isfinite(row.loss)) continue;
    if (before != nullptr)
      canvas.Line(x_of(static_cast<double>(before->step)), y_of(before->loss),
                  x_of(static_cast<double>(row.step)), y_of(row.loss), 20, 80, 200);
    before = &row;
  }
  return canvas.Png();
}

}  // namespace mind::training
