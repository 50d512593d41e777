// A small picture as coloured characters.
#ifndef MIND_CLIENT_CLI_HALF_BLOCKS_H_
#define MIND_CLIENT_CLI_HALF_BLOCKS_H_

#include <string>

namespace mind::cli {

// A JPEG, shrunk to at most `max_columns`, as lines of "▀" in 24-bit colour: two pixels a character. Empty if
// the bytes are not a JPEG.
std::string DrawJpeg(const std::string& jpeg, int max_columns);

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_HALF_BLOCKS_H_
