// What every bundle of the dashboard has in common.

/** Widgets bring their texts in 34 languages; the dashboard speaks two. */
export const ourLanguages = {
  name: "our-languages",
  setup(build) {
    const ours = new Set(["en-US", "zh-CN"]);
    build.onLoad({ filter: /[\\/]intl[\\/].*[a-z]{2}-[A-Z]{2}\.(mjs|js)$/ }, ({ path }) => {
      const language = /([a-z]{2}-[A-Z]{2})\.(mjs|js)$/.exec(path)?.[1] ?? "";
      return ours.has(language) ? null : { contents: "export default {};", loader: "js" };
    });
  },
};

/** @type {import("esbuild").BuildOptions} */
export const common = {
  bundle: true,
  format: "esm",
  target: ["chrome109", "firefox115", "safari16.4"],
  jsx: "automatic",
  legalComments: "none",
  logLevel: "warning",
  plugins: [ourLanguages],
};
