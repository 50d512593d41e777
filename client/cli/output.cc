#include "client/cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace mind::cli {
namespace {

namespace fs = std::filesystem;

const char* Extension(const std::string& media_type) {
  return media_type == "image/jpeg" ? "jpg" : media_type == "image/webp" ? "webp" : "png";
}

bool IsPlainName(const std::string& id) {
  return !id.empty() && id.size() <= 100 && absl::ascii_isalnum(static_cast<unsigned char>(id.front())) &&
         std::all_of(id.begin(), id.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
}

}  // namespace

std::string Output::WhyNot(uint32_t pictures) const {
  if (is_stdout()) {
    return pictures > 1 ? absl::StrCat("standard output takes one picture, and these are ", pictures,
                                       "; give a file, which each gets a number in")
                        : "";
  }
  std::error_code error;
  if (fs::is_directory(out_, error)) return absl::StrCat(out_, " is a directory; --out wants a file");
  if (pictures <= 1 && fs::exists(out_, error)) {  // a device, say, in a folder where nothing may be made
    return access(out_.c_str(), W_OK) == 0 ? "" : absl::StrCat("cannot write ", out_, ": not allowed");
  }
  fs::path folder = fs::path(out_).parent_path();
  if (folder.empty()) folder = ".";
  if (!fs::is_directory(folder, error))
    return absl::StrCat("cannot write ", out_, ": there is no directory ", folder.string());
  if (access(folder.c_str(), W_OK) != 0)
    return absl::StrCat("cannot write ", folder.string(), ": not allowed");
  return "";
}

std::string Output::FileName(const std::string& job, const client::Picture& picture, uint32_t count) const {
  const std::string name =
      !out_.empty() ? out_
                    : absl::StrCat(IsPlainName(job) ? job : "picture", ".", Extension(picture.media_type));
  if (count <= 1 || is_stdout()) return name;
  const size_t slash = name.rfind('/');
  size_t dot = name.rfind('.');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) dot = name.size();
  return absl::StrCat(name.substr(0, dot), "-", picture.index, name.substr(dot));
}

bool Output::Save(const std::string& name, const std::string& data) const {
  if (is_stdout())
    return std::fwrite(data.data(), 1, data.size(), stdout) == data.size() && std::fflush(stdout) == 0;
  std::ofstream file(name, std::ios::binary);
  file.write(data.data(), static_cast<std::streamsize>(data.size()));
  file.close();
  return file.good();
}

}  // namespace mind::cli
