// Pictures of a VM's screen: what QEMU writes, what a QEMU that was taken over may write, thumbnails, and PNGs.
#include <gmock/gmock.h>
#include <png.h>

#include <limits>

#include "adapter/vm/picture.hpp"
#include "adapter/vm/ppm.hpp"
#include "adapter/vm/screenshot_job.hpp"

namespace vnet::adapter {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refused_ppm(const std::string& bytes) {
  const auto picture = read_ppm(bytes);
  return picture ? "it was taken" : picture.error();
}

Picture plain_picture(PictureSize size, std::uint8_t value) {
  return {size, std::vector<std::uint8_t>(std::size_t{size.width} * size.height * kPictureChannels, value)};
}

TEST(Ppm, WhatQemuWritesIsRead) {
  const auto picture = read_ppm("P6\n2 1\n255\nabcdef");
  ASSERT_TRUE(picture.has_value()) << picture.error();
  EXPECT_EQ(picture->size, (PictureSize{2, 1}));
  EXPECT_THAT(picture->rgb, ElementsAre('a', 'b', 'c', 'd', 'e', 'f'));
}

TEST(Ppm, OneByteOfWhiteSpaceEndsTheHeadWhateverThePixelsAre) {
  const auto picture = read_ppm("P6 1\t1\r\n255\n\n \t");
  ASSERT_TRUE(picture.has_value()) << picture.error();
  EXPECT_THAT(picture->rgb, ElementsAre('\n', ' ', '\t'));
}

TEST(Ppm, WhatIsNoPictureIsRefused) {
  EXPECT_THAT(refused_ppm(""), HasSubstr("a PPM file"));
  EXPECT_THAT(refused_ppm("P5\n1 1\n255\na"), HasSubstr("a PPM file"));
  EXPECT_THAT(refused_ppm("P6"), HasSubstr("found 0x0 pixels"));
  EXPECT_THAT(refused_ppm("P62 1\n255\nabcdef"), HasSubstr("found 0x"));
  EXPECT_THAT(refused_ppm("P6\n-1 1\n255\nabc"), HasSubstr("found 0x"));
  EXPECT_THAT(refused_ppm("P6\n# made by hand\n1 1\n255\nabc"), HasSubstr("found 0x"));
  EXPECT_THAT(refused_ppm("P6\n1 1\n255"), HasSubstr("8 bits a sample"));
  EXPECT_THAT(refused_ppm("P6\n1 1\n65535\nabcdef"), HasSubstr("8 bits a sample"));
}

TEST(Ppm, ThePixelsAreAsManyAsTheHeadSays) {
  EXPECT_THAT(refused_ppm("P6\n1 1\n255\nab"), HasSubstr("found 2 bytes of pixels; expected 3"));
  EXPECT_THAT(refused_ppm("P6\n1 1\n255\nabcd"), HasSubstr("found 4 bytes of pixels; expected 3"));
  EXPECT_THAT(refused_ppm("P6\n16384 16384\n255\nabc"), HasSubstr("expected 805306368"));
}

TEST(Ppm, SizesHaveLimits) {
  EXPECT_THAT(refused_ppm("P6\n0 1\n255\n"), HasSubstr("found 0x1 pixels; expected 1 to 16384"));
  EXPECT_THAT(refused_ppm("P6\n1 16385\n255\nabc"), HasSubstr("1x16385"));
  EXPECT_THAT(refused_ppm("P6\n4294967297 1\n255\nabc"), HasSubstr("found 0x"));
  EXPECT_THAT(refused_ppm(std::string(kMaxPpmBytes + 1, 'P')), HasSubstr("at most 67108864"));
}

TEST(Picture, ASizeIsTwoNumbersWithinLimits) {
  EXPECT_EQ(read_picture_size("320x240").value(), (PictureSize{320, 240}));
  EXPECT_EQ(read_picture_size("1x4096").value(), (PictureSize{1, 4096}));
  for (const char* text : {"", "x", "320", "320x", "x240", "0x1", "1x0", "4097x1", "1x4097", "-1x1", "+1x1", "1x1 ",
                           " 1x1", "1X1", "1x1x1", "99999999999x1"}) {
    const auto size = read_picture_size(text);
    ASSERT_FALSE(size.has_value()) << text;
    EXPECT_THAT(size.error(), HasSubstr("expected WIDTHxHEIGHT, each from 1 to 4096"));
  }
}

TEST(Picture, ItsProportionsAreKeptWithinTheBounds) {
  EXPECT_EQ(fit_size({720, 400}, {320, 240}), (PictureSize{320, 178}));
  EXPECT_EQ(fit_size({640, 480}, {320, 240}), (PictureSize{320, 240}));
  EXPECT_EQ(fit_size({400, 720}, {320, 240}), (PictureSize{133, 240}));
  EXPECT_EQ(fit_size({100, 50}, {320, 240}), (PictureSize{100, 50})) << "nothing is made larger";
  EXPECT_EQ(fit_size({100, 50}, {99, 240}), (PictureSize{99, 50}));
  EXPECT_EQ(fit_size({16384, 1}, {1, 4096}), (PictureSize{1, 1})) << "never without a pixel";
  EXPECT_EQ(fit_size({1, 16384}, {4096, 1}), (PictureSize{1, 1}));
}

TEST(Picture, EveryFittedSizeIsWithinItsBoundsAndNotEmpty) {
  for (std::uint32_t width = 1; width <= 40; ++width) {
    for (std::uint32_t height = 1; height <= 40; ++height) {
      for (const PictureSize bounds : {PictureSize{1, 1}, {7, 5}, {5, 40}, {40, 3}}) {
        const PictureSize size = fit_size({width, height}, bounds);
        ASSERT_TRUE(size.width >= 1 && size.height >= 1) << width << "x" << height;
        ASSERT_TRUE(size.width <= bounds.width && size.height <= bounds.height) << width << "x" << height;
        ASSERT_TRUE(size.width <= width && size.height <= height) << width << "x" << height;
      }
    }
  }
}

TEST(Picture, APixelOfAThumbnailIsTheMeanOfItsBox) {
  const Picture picture{{4, 2}, {0, 0, 9, 2, 0, 9, 10, 255, 9, 10, 255, 9,    // the upper row
                                 0, 0, 9, 2, 1, 9, 20, 255, 9, 20, 255, 9}};  // and the lower one
  const Picture small = shrunk(picture, {2, 2});
  EXPECT_EQ(small.size, (PictureSize{2, 1}));
  EXPECT_THAT(small.rgb, ElementsAre(1, 0, 9, 15, 255, 9));
  EXPECT_EQ(shrunk(picture, {4, 2}).rgb, picture.rgb);
}

TEST(Picture, BoxesOfUnequalSizeCoverItAllOnce) {
  const Picture small = shrunk(plain_picture({720, 400}, 200), {319, 1000});
  EXPECT_EQ(small.size, (PictureSize{319, 177}));
  EXPECT_THAT(small.rgb, Each(200));
  EXPECT_THAT(shrunk(plain_picture({1301, 1201}, std::numeric_limits<std::uint8_t>::max()), {1, 1}).rgb,
              ElementsAre(255, 255, 255));
}

TEST(Picture, APngHasThePixelsThatWentIn) {
  Picture picture = plain_picture({5, 3}, 0);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(i * 5);
  const auto bytes = png_of(picture);
  ASSERT_TRUE(bytes.has_value()) << bytes.error();
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_memory(&image, bytes->data(), bytes->size()), 0);
  EXPECT_EQ((PictureSize{image.width, image.height}), picture.size);
  image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> back(PNG_IMAGE_SIZE(image));
  ASSERT_NE(png_image_finish_read(&image, nullptr, back.data(), 0, nullptr), 0);
  EXPECT_EQ(back, picture.rgb);
}

TEST(PictureQuery, IsFullOrASizeOrNothing) {
  EXPECT_EQ(read_picture_query({}).value(), (PictureSize{320, 240}));
  EXPECT_EQ(read_picture_query({{"size", "64x48"}}).value(), (PictureSize{64, 48}));
  EXPECT_EQ(read_picture_query({{"full", "1"}}).value(), std::nullopt);
}

TEST(PictureQuery, WhatIsWrongIsSaid) {
  const auto problem = [](const http::Fields& query) {
    const auto bounds = read_picture_query(query);
    return bounds ? "it was taken" : bounds.error();
  };
  EXPECT_EQ(problem({{"full", "yes"}}), "full: found \"yes\"; expected 1");
  EXPECT_THAT(problem({{"size", "0x5"}}), HasSubstr("size: found \"0x5\"; expected WIDTHxHEIGHT"));
  EXPECT_THAT(problem({{"siez", "5x5"}}), HasSubstr("did you mean \"size\"?"));
  EXPECT_THAT(problem({{"size", "5x5"}, {"full", "1"}}), HasSubstr("one of full and size"));
  EXPECT_THAT(problem({{"size", "5x5"}, {"size", "6x6"}}), HasSubstr("one of full and size"));
}

}  // namespace
}  // namespace vnet::adapter
