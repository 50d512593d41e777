// libjpeg's errors as exceptions.
#ifndef MIND_WORKER_IMAGE_JPEG_ERRORS_H_
#define MIND_WORKER_IMAGE_JPEG_ERRORS_H_

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it first
#include <stdexcept>
#include <string>

#include <jpeglib.h>

namespace mind::image {

// An exception must not cross libjpeg's own frames: its errors jump back into Run, which throws. Owned by
// whoever owns the (de)compressor; one thread at a time.
class JpegErrors {
 public:
  JpegErrors() {
    jpeg_std_error(&manager_);
    manager_.error_exit = Leave;
    manager_.output_message = [](j_common_ptr) {};
  }

  // Damage that libjpeg would paint over is an error too.
  void RefuseWarnings() {
    manager_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0) Leave(info);
    };
  }

  jpeg_error_mgr* manager() { return &manager_; }

  // Makes calls of libjpeg. Throws std::runtime_error where it has an error. What `calls` owns is not
  // destroyed then: it must own nothing.
  template <typename Calls>
  void Run(const Calls& calls) {
    if (setjmp(jump_) != 0) throw std::runtime_error(std::string("JPEG: ") + text_);
    calls();
  }

  // From within Run, with a reason of ours.
  [[noreturn]] static void Fail(j_common_ptr info, const char* reason) {
    auto* const errors = reinterpret_cast<JpegErrors*>(info->err);
    std::snprintf(errors->text_, sizeof errors->text_, "%s", reason);
    std::longjmp(errors->jump_, 1);
  }

 private:
  [[noreturn]] static void Leave(j_common_ptr info) {
    char message[JMSG_LENGTH_MAX];
    (*info->err->format_message)(info, message);
    Fail(info, message);
  }

  jpeg_error_mgr manager_{};  // first: libjpeg hands its address back
  std::jmp_buf jump_{};
  char text_[JMSG_LENGTH_MAX] = "";
};

}  // namespace mind::image

#endif  // MIND_WORKER_IMAGE_JPEG_ERRORS_H_
