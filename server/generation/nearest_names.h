// Which names somebody may have meant: for errors that list what is allowed, whatever there is of it.
#ifndef MIND_SERVER_GENERATION_NEAREST_NAMES_H_
#define MIND_SERVER_GENERATION_NEAREST_NAMES_H_

#include <string>
#include <vector>

namespace mind::server {

// "a, b, c": all of them, in their order, while they are few; else the nearest to `given` and how many more
// there are: "dpmpp_2m, dpmpp_2s and 39 more". "none" for none.
std::string NearestNames(const std::string& given, const std::vector<std::string>& names);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_NEAREST_NAMES_H_
