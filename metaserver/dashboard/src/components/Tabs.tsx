// Tabs of a page; which one is chosen belongs to the page (its address).

import type { Key, ReactNode } from "react";
import { Tab, TabList, TabPanel, Tabs as Inner } from "react-aria-components/Tabs";

export interface TabSpec {
  id: string;
  label: ReactNode;
  content: ReactNode;
}

export interface TabsProps {
  label: string;
  tabs: TabSpec[];
  selected: string;
  onSelect: (id: string) => void;
}

export function Tabs({ label, tabs, selected, onSelect }: TabsProps) {
  return (
    <Inner className="tabs" selectedKey={selected} onSelectionChange={(key: Key) => onSelect(String(key))}>
      <TabList className="tab-list" aria-label={label}>
        {tabs.map((tab) => (
          <Tab key={tab.id} id={tab.id} className="tab">
            {tab.label}
          </Tab>
        ))}
      </TabList>
      {tabs.map((tab) => (
        <TabPanel key={tab.id} id={tab.id} className="tab-panel">
          {tab.content}
        </TabPanel>
      ))}
    </Inner>
  );
}
