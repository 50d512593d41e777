#include "worker/image/watermark.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <numbers>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace mind::image {
namespace {

// As surely as it shall be found in what is made: JPEG and resizing take of it.
constexpr double kWanted = 14;
// What it may change pixels by, root mean square, of 255. Where that is not enough it is found less surely.
constexpr double kMostChange = 8;
// Nor by less: in smooth pictures little is found at once, but other encoders would round it away.
constexpr double kLeastChange = 2;
// The first waves are the picture's large tones, of which a change would be seen.
constexpr int kFirstWave = 4;
// Coefficients are compared with those around them, so far each way; more than so many times those is cut
// off: no single one shall decide.
constexpr int kAround = 2;
constexpr double kCut = 2;
// What is smaller is nothing: the waves of a flat picture are all of that size.
constexpr float kLeastSize = 1e-3F;

// Bands by the shorter side: with half the pixels all of it still is in the lower half of what can be there.
int BandOf(int width, int height) {
  const int side = std::min(width, height);
  return side >= 512 ? 128 : side >= 256 ? 64 : 32;
}

bool IsInBand(int u, int v, int band) {
  const int square = u * u + v * v;
  return square >= kFirstWave * kFirstWave && square < band * band;
}

// Row by row, `rows` times `columns`.
struct Matrix {
  int rows = 0, columns = 0;
  std::vector<float> data;

  Matrix(int the_rows, int the_columns)
      : rows(the_rows), columns(the_columns), data(static_cast<size_t>(the_rows) * the_columns) {}
  float* row(int r) { return data.data() + static_cast<size_t>(r) * columns; }
  const float* row(int r) const { return data.data() + static_cast<size_t>(r) * columns; }
};

// The first waves of the orthonormal DCT-II of a line: `waves` rows of `length`.
Matrix Waves(int waves, int length) {
  Matrix matrix(waves, length);
  for (int u = 0; u < waves; ++u) {
    const double scale = std::sqrt((u == 0 ? 1.0 : 2.0) / length);
    for (int x = 0; x < length; ++x) {
      matrix.row(u)[x] =
          static_cast<float>(scale * std::cos(std::numbers::pi * (2 * x + 1) * u / (2.0 * length)));
    }
  }
  return matrix;
}

// a · b
Matrix Product(const Matrix& a, const Matrix& b) {
  Matrix product(a.rows, b.columns);
  for (int r = 0; r < a.rows; ++r) {
    float* const out = product.row(r);
    const float* const factors = a.row(r);
    int k = 0;
    // Four at a time, in the order of one after the other: what has been summed is fetched once for them.
    for (; k + 4 <= a.columns; k += 4) {
      const float *const in = b.row(k), *const in1 = b.row(k + 1), *const in2 = b.row(k + 2),
                         *const in3 = b.row(k + 3);
      const float f = factors[k], f1 = factors[k + 1], f2 = factors[k + 2], f3 = factors[k + 3];
      for (int c = 0; c < b.columns; ++c) {
        out[c] = out[c] + f * in[c] + f1 * in1[c] + f2 * in2[c] + f3 * in3[c];
      }
    }
    for (; k < a.columns; ++k) {
      const float* const in = b.row(k);
      for (int c = 0; c < b.columns; ++c) out[c] += factors[k] * in[c];
    }
  }
  return product;
}

Matrix Transposed(const Matrix& matrix) {
  Matrix turned(matrix.columns, matrix.rows);
  for (int r = 0; r < matrix.rows; ++r) {
    for (int c = 0; c < matrix.columns; ++c) turned.row(c)[r] = matrix.row(r)[c];
  }
  return turned;
}

// Its first rows and columns.
Matrix Corner(const Matrix& matrix, int size) {
  Matrix corner(size, size);
  for (int r = 0; r < size; ++r) std::copy_n(matrix.row(r), size, corner.row(r));
  return corner;
}

// ITU-R BT.601's, as JPEG has it, from −128.
Matrix Luma(const RgbView& picture) {
  Matrix luma(picture.height, picture.width);
  const size_t pixels = luma.data.size();
  for (size_t i = 0; i < pixels; ++i) {
    const uint8_t* const pixel = picture.data + 3 * i;
    luma.data[i] = 0.299F * pixel[0] + 0.587F * pixel[1] + 0.114F * pixel[2] - 128;
  }
  return luma;
}

// The waves of a picture, as far as they are looked at.
class Spectrum {
 public:
  Spectrum(int width, int height, int band)
      : across_(Waves(band, width)), down_(Waves(band, height)), back_(Transposed(across_)) {}

  // down_ · luma · across_ᵀ: vertical waves are rows.
  Matrix Of(const RgbView& picture) const { return Product(Product(down_, Luma(picture)), back_); }
  // What these add to each pixel.
  Matrix ToPixels(const Matrix& waves) const { return Product(Transposed(down_), Product(waves, across_)); }

 private:
  const Matrix across_, down_, back_;
};

// Sums of absolute values of a matrix from its first corner, so that those of any part are found at once.
Matrix Sums(const Matrix& matrix) {
  Matrix sums(matrix.rows + 1, matrix.columns + 1);
  for (int r = 0; r < matrix.rows; ++r) {
    double line = 0;
    for (int c = 0; c < matrix.columns; ++c) {
      line += std::abs(matrix.row(r)[c]);
      sums.row(r + 1)[c + 1] = static_cast<float>(sums.row(r)[c + 1] + line);
    }
  }
  return sums;
}

// The waves' usual size: their geometric mean, of which a few large ones change little.
double UsualSize(const Matrix& waves, int band) {
  double logarithms = 0;
  int count = 0;
  for (int v = 0; v < band; ++v) {
    for (int u = 0; u < band; ++u) {
      if (!IsInBand(u, v, band)) continue;
      logarithms += std::log(std::max(std::abs(waves.row(v)[u]), kLeastSize));
      ++count;
    }
  }
  return std::exp(logarithms / count);
}

// How well signs and waves agree, in standard deviations for signs that are drawn anew for each. Waves count
// for the more the smaller those around them are, which are the picture's own and in the way of what was put
// in; but where those are less than usual for no more than there: no few shall decide.
template <typename Signs>
double Agreement(const Matrix& waves, int band, const Signs& signs) {
  const Matrix sums = Sums(waves);
  const double usual = UsualSize(waves, band);
  double agreement = 0, squares = 0;
  for (int v = 0; v < band; ++v) {
    for (int u = 0; u < band; ++u) {
      if (!IsInBand(u, v, band)) continue;
      const int top = std::max(v - kAround, 0), bottom = std::min(v + kAround + 1, band);
      const int left = std::max(u - kAround, 0), right = std::min(u + kAround + 1, band);
      const double around =
          (sums.row(bottom)[right] - sums.row(top)[right] - sums.row(bottom)[left] + sums.row(top)[left]) /
          ((bottom - top) * (right - left));
      const double size = std::max(around, usual);
      const double weighed = std::clamp(waves.row(v)[u] / size, -kCut, kCut) / size;
      agreement += signs(u, v) ? weighed : -weighed;
      squares += weighed * weighed;
    }
  }
  return squares > 0 ? agreement / std::sqrt(squares) : 0;
}

// The smallest strength at which signs agree with what it makes of the waves as wanted, up to `most`.
template <typename Signs>
double StrengthFor(const Matrix& waves, int band, const Signs& signs, double most) {
  double low = 0, high = most;
  for (int i = 0; i < 12; ++i) {
    const double middle = (low + high) / 2;
    Matrix marked = waves;
    for (int v = 0; v < band; ++v) {
      for (int u = 0; u < band; ++u) {
        if (IsInBand(u, v, band)) marked.row(v)[u] += static_cast<float>(signs(u, v) ? middle : -middle);
      }
    }
    (Agreement(marked, band, signs) < kWanted ? low : high) = middle;
  }
  return high;
}

}  // namespace

Watermark::Watermark(std::string_view key) {
  if (key.size() < kShortestKey) {
    throw std::invalid_argument("a key of watermarks has at least " + std::to_string(kShortestKey) +
                                " bytes; this one has " + std::to_string(key.size()));
  }
  constexpr size_t kBits = SHA256_DIGEST_LENGTH * 8;
  for (size_t block = 0; block * kBits < signs_.size(); ++block) {
    const std::string seed = std::string(key) + "/" + std::to_string(block);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(seed.data()), seed.size(), digest);
    for (size_t bit = 0; bit < kBits; ++bit) {
      signs_[block * kBits + bit] = (digest[bit / 8] >> (bit % 8) & 1) != 0;
    }
  }
}

Watermark Watermark::FromFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::string key = bytes.str();
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r')) key.pop_back();
  try {
    return Watermark(key);
  } catch (const std::invalid_argument& e) {
    throw std::runtime_error(path + ": " + e.what());
  }
}

double Watermark::Put(RgbPicture& picture) const {
  if (std::min(picture.width, picture.height) < kSmallest) return 0;
  const int band = BandOf(picture.width, picture.height);
  const auto signs = [this](int u, int v) { return signs_[static_cast<size_t>(v * kWaves + u)]; };
  const Spectrum spectrum(picture.width, picture.height, band);
  const RgbView view{picture.data.data(), picture.width, picture.height};
  const Matrix waves = spectrum.Of(view);
  Matrix pattern(band, band);
  int marked = 0;
  for (int v = 0; v < band; ++v) {
    for (int u = 0; u < band; ++u) {
      if (!IsInBand(u, v, band)) continue;
      pattern.row(v)[u] = signs(u, v) ? 1.F : -1.F;
      ++marked;
    }
  }
  const Matrix change = spectrum.ToPixels(pattern);
  const double pixels = static_cast<double>(picture.width) * picture.height;
  const double of_change = std::sqrt(pixels / marked);
  const double most = kMostChange * of_change;
  double strength = std::max(StrengthFor(waves, band, signs, most), kLeastChange * of_change);
  // Rounding, and pixels that are as dark or as bright as can be, take of it.
  RgbPicture best = picture;
  double found = 0;
  for (int i = 0; i < 6 && found < kWanted; ++i) {
    RgbPicture tried = picture;
    for (size_t p = 0; p < change.data.size(); ++p) {
      const auto add = static_cast<float>(strength * change.data[p]);
      for (size_t c = 3 * p; c < 3 * p + 3; ++c) {
        tried.data[c] = static_cast<uint8_t>(std::lround(std::clamp(tried.data[c] + add, 0.F, 255.F)));
      }
    }
    const double now = Agreement(spectrum.Of({tried.data.data(), tried.width, tried.height}), band, signs);
    if (now > found) {
      found = now;
      best = std::move(tried);
    }
    if (strength >= most) break;
    strength = std::min(1.25 * strength, most);
  }
  if (found < kFound) return found;
  picture = std::move(best);
  return found;
}

double Watermark::Find(const RgbView& picture) const {
  constexpr std::array<int, 3> kBands = {128, 64, 32};
  const int side = std::min(picture.width, picture.height);
  const auto widest = std::find_if(kBands.begin(), kBands.end(), [side](int band) { return band <= side; });
  if (widest == kBands.end()) return 0;
  // The waves of a narrower band are the first of a wider one.
  const Matrix waves = Spectrum(picture.width, picture.height, *widest).Of(picture);
  double found = 0;
  for (auto band = widest; band != kBands.end(); ++band) {
    found = std::max(found, Agreement(Corner(waves, *band), *band, [this](int u, int v) {
                       return signs_[static_cast<size_t>(v * kWaves + u)];
                     }));
  }
  return found;
}

}  // namespace mind::image
