// A small set of labelled pictures in MNIST's format, made up.
#ifndef MIND_TESTS_SUPPORT_IDX_FILES_H_
#define MIND_TESTS_SUPPORT_IDX_FILES_H_

#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <string>

namespace mind::support {

inline std::string IdxHeader(uint8_t type, std::initializer_list<uint32_t> shape) {
  std::string header = {0, 0, static_cast<char>(type), static_cast<char>(shape.size())};
  for (const uint32_t extent : shape) {
    for (int shift = 24; shift >= 0; shift -= 8) header.push_back(static_cast<char>(extent >> shift & 255));
  }
  return header;
}

// Writes PREFIX-pictures and PREFIX-labels: `count` grey pictures, of class c bright in row c and dark
// elsewhere.
inline void WriteIdx(const std::string& prefix, uint32_t count, uint32_t extent, uint32_t classes) {
  std::string pictures = IdxHeader(8, {count, extent, extent}), labels = IdxHeader(8, {count});
  for (uint32_t i = 0; i < count; ++i) {
    labels.push_back(static_cast<char>(i % classes));
    for (uint32_t y = 0; y < extent; ++y)
      pictures.append(extent, y % classes == i % classes ? '\xf0' : '\x10');
  }
  std::ofstream(prefix + "-pictures", std::ios::binary) << pictures;
  std::ofstream(prefix + "-labels", std::ios::binary) << labels;
}

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_IDX_FILES_H_
