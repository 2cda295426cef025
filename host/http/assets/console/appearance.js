//! Light or dark: runs before the page is painted, so that it does not flash.
//!
//! Enters: what the reader chose last, kept by the browser; without a choice the system decides. Leaves: the attribute
//! `data-theme` on the page, and `window.appearance` to change it. Guaranteed: a browser that keeps nothing works, too.
(function () {
  'use strict';
  const KEY = 'mesh-console-theme';
  const THEMES = ['auto', 'light', 'dark'];

  function kept() {
    try {
      const theme = localStorage.getItem(KEY);
      return THEMES.includes(theme) ? theme : 'auto';
    } catch (forbidden) {
      return 'auto';
    }
  }

  function show(theme) {
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch (forbidden) {
      // Chosen for as long as the page is open, then.
    }
  }

  const isDark = () => {
    const { theme } = document.documentElement.dataset;
    return theme === 'dark' || (theme === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  };

  show(kept());
  window.appearance = {
    choose: show,
    chosen: () => document.documentElement.dataset.theme,
    other: () => show(isDark() ? 'light' : 'dark'),
  };
})();
