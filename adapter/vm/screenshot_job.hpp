// ScreenshotJob: the screen of a VM as a PNG, by QMP's `screendump`.
//
// QEMU writes into a file of ours in the VM's folder, which it opens by its name; we read it by the descriptor that we
// made it with, so that nothing which a QEMU that its guest has taken over may put in its place (a link to another file
// of the user's, a pipe that nobody writes to) is ever opened. The name is removed with the job. A QEMU that answers
// only after the time limit may leave a file of that name; it goes with the folder.
//
// The PNG is made in the supervisor's loop, which does nothing else meanwhile: measured at 22 ms for a plain screen of
// 1280x800, 0.4 s for noise on the largest that QEMU's standard VGA has memory for, and 2 s at the limits of ppm.hpp.
// Limits: those.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "adapter/vm/job.hpp"
#include "adapter/vm/picture.hpp"
#include "http/message.hpp"

namespace vnet::adapter {

/// What a picture is made to fit when nobody says otherwise.
inline constexpr PictureSize kThumbnail{320, 240};

/// What is asked for by `full=1` or `size=WIDTHxHEIGHT`: the bounds of the picture; none: as large as the screen.
[[nodiscard]] Read<std::optional<PictureSize>> read_picture_query(const http::Fields& query);

class ScreenshotJob final : public Job {
 public:
  /// `png` is empty until the job is done, and stays so when it fails.
  ScreenshotJob(Vm& vm, std::shared_ptr<Report> report, std::shared_ptr<std::string> png,
                std::optional<PictureSize> bounds, Instant now);
  ~ScreenshotJob() override;
  [[nodiscard]] bool exclusive() const override { return false; }
  [[nodiscard]] const char* name() const override { return "taking a picture"; }

 protected:
  void go(Instant now) override;

 private:
  [[nodiscard]] Read<std::string> picture() const;

  std::shared_ptr<std::string> png_;
  std::optional<PictureSize> bounds_;
  std::string file_;
  dgram::Fd fd_;
  Asked asked_;
};

}  // namespace vnet::adapter
